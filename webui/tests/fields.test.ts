import { describe, expect, it } from "vitest";

import { fieldsOf, parametersOf, titleOf } from "@/features/surveys/fields";

const DRIVER = {
  parameters: {
    $defs: { Mode: { enum: ["fast", "slow"] } },
    properties: {
      seed: { type: "integer", minimum: 0, maximum: 9, default: 1, description: "The world." },
      water: { type: "number", minimum: 0, maximum: 1, default: 0.2 },
      hud: { type: "boolean", default: true },
      view: { type: "array", prefixItems: [{ type: "integer" }, { type: "integer" }], default: [1280, 1024] },
      world: { anyOf: [{ type: "array", prefixItems: [{ type: "integer" }, { type: "integer" }] }, { type: "null" }], default: null },
      mode: { $ref: "#/$defs/Mode", default: "slow" },
      command: { type: "string" },
    },
  },
  settable: ["seed", "water", "hud", "view", "world", "mode"],
};

const fields = fieldsOf(DRIVER);

describe("the form of a driver", () => {
  it("has what a request may set, and nothing else", () => {
    expect(fields.map((field) => field.name)).toEqual(["seed", "water", "hud", "view", "world", "mode"]);
    expect(fields.map((field) => field.kind)).toEqual(["number", "number", "switch", "numbers", "numbers", "choice"]);
  });

  it("tells limits, defaults and descriptions", () => {
    expect(fields[0]).toEqual({ name: "seed", note: "The world.", kind: "number", whole: true, usual: "1", least: 0, most: 9 });
    expect(fields[3]).toMatchObject({ size: 2, usual: "1280, 1024" });
    expect(fields[5]).toMatchObject({ choices: ["fast", "slow"], usual: "slow" });
  });

  it("shows what the game's file sets as usual", () => {
    const own = fieldsOf(DRIVER, { seed: 7, hud: false, view: [640, 512], mode: "fast" });
    expect(own.map((field) => field.usual)).toEqual(["7", "0.2", false, "640, 512", "", "fast"]);
  });

  it("sends only what was written, as its type", () => {
    const { values, faults } = parametersOf(fields, { seed: "3", water: "", hud: false, view: "640 x 512", mode: "fast" });
    expect(values).toEqual({ seed: 3, hud: false, view: [640, 512], mode: "fast" });
    expect(faults).toEqual([]);
  });

  it("names what is no number, out of bounds or too short", () => {
    expect(parametersOf(fields, { seed: "1.5", water: "2", view: "640" }).faults).toEqual(["seed", "water", "view"]);
  });

  it("is titled in words, with the unit", () => {
    expect(titleOf("drift_px")).toBe("Drift (px)");
    expect(titleOf("changes_within")).toBe("Changes within");
  });
});
