import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { heatOf } from "@/features/surveys/heat";
import { follow, type Live, wasTakenUp, watch } from "@/shared/api/events";
import type { Block, Progress, LayerState } from "@/shared/api/types";

function block(key: string, ...states: LayerState[]): Block {
  const layers = (["screenshots", "pair_offsets", "tiles"] as const).map((layer, place) => ({
    layer, state: states[place] ?? "missing", at: null, reason: null, run_id: null, run_url: null,
  }));
  return { row: 0, col: 0, key, layers, tiles: 0 };
}

function event(full: boolean, blocks: Block[]): Progress {
  return { survey: "a-b-0001", state: "running", reason: null, progress: 10, tiles: 1, stages: [], full, blocks };
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

describe("a survey that has ended", () => {
  const ended = follow(null, { ...event(true, []), state: "failed" });

  it("is followed anew when it is under way in an answer that came later", () => {
    expect(wasTakenUp(ended, 1000, { state: "running", at: 1001 })).toBe(true);
    expect(wasTakenUp(ended, 1000, { state: "planned", at: 1001 })).toBe(true);
  });

  it("stays ended by an answer from before its end, or one that says the same", () => {
    expect(wasTakenUp(ended, 1000, { state: "running", at: 999 })).toBe(false);
    expect(wasTakenUp(ended, 1000, { state: "failed", at: 1001 })).toBe(false);
    expect(wasTakenUp(follow(null, event(true, [])), 1000, { state: "running", at: 1001 })).toBe(false);
  });
});

/** The browser's, as far as the page uses it: the test says what arrives. */
class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static readonly all: Stream[] = [];
  readyState = 1;

  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }

  static get last(): Stream {
    const last = Stream.all.at(-1);
    if (last === undefined) throw new Error("no stream was opened");
    return last;
  }

  close(): void {
    this.readyState = Stream.CLOSED;
  }

  tell(name: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }

  /** What a browser does at an answer that is no stream. */
  refuse(): void {
    this.close();
    this.dispatchEvent(new Event("error"));
  }
}

describe("following a survey", () => {
  let state = "running";
  let asked = 0;
  let live: Live | null = null;
  const page = Object.assign(new EventTarget(), { hidden: false });
  const hide = (hidden: boolean) => {
    page.hidden = hidden;
    page.dispatchEvent(new Event("visibilitychange"));
  };
  const follows = () => watch("a-b-0001", (next) => { live = next(live); });

  beforeEach(() => {
    vi.useFakeTimers();
    Stream.all.length = 0;
    [state, asked, live, page.hidden] = ["running", 0, null, false];
    vi.stubGlobal("EventSource", Stream);
    vi.stubGlobal("document", page);
    vi.stubGlobal("fetch", (address: string) => {
      asked += 1;
      return Promise.resolve(Response.json(address.endsWith("/blocks")
        ? { blocks: [] }
        : { state, reason: null, progress: 5, tiles: 0, job_id: null }));
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("opens a stream anew that an answer has closed for good, and asks no more once events come", async () => {
    const stop = follows();
    Stream.last.refuse();
    await vi.advanceTimersByTimeAsync(3000);
    expect(live).toMatchObject({ by: "poll", state: "running" });
    expect(Stream.all).toHaveLength(2);
    Stream.last.tell("progress", event(true, []));
    expect(live).toMatchObject({ by: "push" });
    const before = asked;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked).toBe(before);
    stop();
  });

  it("asks no more once the survey has ended", async () => {
    follows();
    Stream.last.refuse();
    state = "completed";
    await vi.advanceTimersByTimeAsync(3000);
    expect(live).toMatchObject({ by: "over", state: "completed" });
    const before = asked;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked).toBe(before);
    expect(Stream.all).toHaveLength(1);
  });

  it("holds no connection while nobody sees the page", () => {
    const stop = follows();
    hide(true);
    expect(Stream.last.readyState).toBe(Stream.CLOSED);
    hide(false);
    expect(Stream.all).toHaveLength(2);
    expect(Stream.last.readyState).toBe(1);
    Stream.last.tell("end", { state: "completed" });
    hide(true);
    hide(false);
    expect(Stream.all).toHaveLength(2);
    stop();
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
