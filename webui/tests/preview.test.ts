import { describe, expect, it } from "vitest";

import { lengthOf } from "@/features/map/length";
import { coveredBy, planGrid } from "@/features/surveys/preview";
import type { Areas } from "@/shared/api/types";

const AREAS: Areas = {
  placed: true,
  view: { width_px: 100, height_px: 80 },
  row: [0, 0, 1, 1],
  col: [0, 1, 0, 1],
  x: [1000, 1090, 1001, 1091],
  y: [500, 501, 570, 571],
  statuses: ["planned", "anchored", "ambiguous", "unplaced"],
  status: [1, 1, 1, 1],
  confidence: [1, 1, 1, 1],
  kept: [true, true, true, true],
};

describe("the grid that a survey would take", () => {
  it("begins where the latest one began and goes at its pace", () => {
    const grid = planGrid(AREAS, 3, 4, 10);
    expect(grid).toMatchObject({ x: 1000, y: 500, across: 90, down: 70 });
    expect(grid && coveredBy(grid)).toEqual({ x_px: 1000, y_px: 500, width_px: 3 * 90 + 100, height_px: 2 * 70 + 80 });
  });

  it("is not known before the latest survey is placed", () => {
    expect(planGrid({ ...AREAS, placed: false }, 3, 4, 10)).toBeNull();
  });
});

describe("a measured path", () => {
  it("is as long as its steps together", () => {
    expect(lengthOf([])).toBe(0);
    expect(lengthOf([{ x: 0, y: 0 }, { x: 3, y: 4 }, { x: 3, y: 10 }])).toBe(11);
  });
});
