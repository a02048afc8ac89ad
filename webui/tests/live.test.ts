import { describe, expect, it } from "vitest";

import { heatOf } from "@/features/surveys/heat";
import { follow } from "@/shared/api/events";
import type { Block, Progress, Stand } from "@/shared/api/types";

function block(key: string, ...states: Stand[]): Block {
  const layers = (["screenshots", "pair_offsets", "tiles"] as const).map((layer, place) => ({
    layer, state: states[place] ?? "missing", at: null, reason: null, run_id: null, run_url: null, partition_url: "",
  }));
  return { row: 0, col: 0, key, layers, tiles: 0 };
}

function event(full: boolean, blocks: Block[]): Progress {
  return { survey: "a-b-0001", state: "running", reason: null, progress: 10, tiles: 1, stages: [], full, blocks, runs_known: true };
}

describe("progress that is pushed", () => {
  it("puts changed blocks over those that were known", () => {
    const first = follow(null, event(true, [block("r00c00"), block("r00c01")]));
    const next = follow(first, event(false, [block("r00c01", "done")]));
    expect([...next.blocks.keys()]).toEqual(["r00c00", "r00c01"]);
    expect(next.blocks.get("r00c01")?.layers[0]?.state).toBe("done");
  });

  it("forgets everything at an event that tells all", () => {
    const first = follow(null, event(true, [block("r00c00")]));
    expect([...follow(first, event(true, [block("r09c09")])).blocks.keys()]).toEqual(["r09c09"]);
  });

  it("says when it is over", () => {
    expect(follow(null, { ...event(true, []), state: "failed" }).by).toBe("over");
  });
});

describe("a square of the heat map", () => {
  it("shows the worst of all layers, and else how many are done", () => {
    expect(heatOf(block("a", "done", "failed", "running"), null)).toBe("failed");
    expect(heatOf(block("a", "done", "running"), null)).toBe("running");
    expect(heatOf(block("a"), null)).toBe("missing");
    expect(heatOf(block("a", "done"), null)).toBe("part1");
    expect(heatOf(block("a", "done", "done"), null)).toBe("part2");
    expect(heatOf(block("a", "done", "done", "done"), null)).toBe("done");
  });

  it("shows one layer alone", () => {
    expect(heatOf(block("a", "done", "failed"), "pair_offsets")).toBe("failed");
    expect(heatOf(block("a", "done", "failed"), "tiles")).toBe("missing");
  });
});
