import { describe, expect, it } from "vitest";

import { lengthOf } from "@/features/map/length";
import { around } from "@/features/surveys/preview";

describe("a planned grid and the map under it", () => {
  it("are shown whole together", () => {
    const grid = { x_px: -200, y_px: 50, width_px: 400, height_px: 100 };
    const map = { x_px: 0, y_px: 0, width_px: 512, height_px: 120 };
    expect(around([grid, map])).toEqual({ x_px: -200, y_px: 0, width_px: 712, height_px: 150 });
  });
});

describe("a measured path", () => {
  it("is as long as its steps together", () => {
    expect(lengthOf([])).toBe(0);
    expect(lengthOf([{ x: 0, y: 0 }, { x: 3, y: 4 }, { x: 3, y: 10 }])).toBe(11);
  });
});
