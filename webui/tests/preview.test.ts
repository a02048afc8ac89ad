import { describe, expect, it } from "vitest";

import { lengthOf } from "@/features/map/length";
import { coveredBy, lieOf, planGrid } from "@/features/surveys/preview";
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
    const grid = planGrid(AREAS, 3, 4, 10, lieOf({}, false));
    expect(grid).toMatchObject({ x: 1000, y: 500, across: 90, down: 70 });
    expect(grid && coveredBy(grid)).toEqual({ x_px: 1000, y_px: 500, width_px: 3 * 90 + 100, height_px: 2 * 70 + 80 });
  });

  it("is not known before the latest survey is placed", () => {
    expect(planGrid({ ...AREAS, placed: false }, 3, 4, 10, lieOf({}, false))).toBeNull();
  });
});

describe("a grid that is laid around a centre", () => {
  it("has the latest survey's middle in its own, however large it is", () => {
    for (const [rows, cols] of [[1, 1], [2, 2], [5, 9]] as const) {
      const grid = planGrid(AREAS, rows, cols, 10, lieOf({}, true));
      const { x_px: x, y_px: y, width_px: width, height_px: height } = grid ? coveredBy(grid) : { x_px: 0, y_px: 0, width_px: 0, height_px: 0 };
      expect([x + width / 2, y + height / 2]).toEqual([(1000 + 1191) / 2, (500 + 651) / 2]);
    }
  });

  it("needs no first area, where the map ends before it", () => {
    const cut = { ...AREAS, row: [0, 1, 1], col: [1, 0, 1], x: [1090, 1001, 1091], y: [501, 570, 571] };
    expect(planGrid(cut, 2, 2, 10, lieOf({}, true))).toMatchObject({ across: 90, down: 70 });
    expect(planGrid(cut, 2, 2, 10, lieOf({}, false))).toBeNull();
  });
});

describe("what the form sets of a grid", () => {
  it("is its step", () => {
    expect(planGrid(AREAS, 3, 4, 10, lieOf({ step: [64, 48] }, false))).toMatchObject({ across: 64, down: 48 });
  });

  it("is its view, which overlaps as before", () => {
    expect(planGrid(AREAS, 3, 4, 10, lieOf({ view: [200, 160] }, false))).toMatchObject({
      view: { width_px: 200, height_px: 160 }, across: 190, down: 150,
    });
  });

  it("is its overlap", () => {
    expect(planGrid(AREAS, 3, 4, 10, lieOf({ view: [200, 160], overlap_px: [50, 40] }, false))).toMatchObject({ across: 150, down: 120 });
  });
});

describe("a measured path", () => {
  it("is as long as its steps together", () => {
    expect(lengthOf([])).toBe(0);
    expect(lengthOf([{ x: 0, y: 0 }, { x: 3, y: 4 }, { x: 3, y: 10 }])).toBe(11);
  });
});
