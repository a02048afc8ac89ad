import { describe, expect, it } from "vitest";

import { sizesOf } from "@/features/surveys/heat";

describe("the heat map", () => {
  it("shows up to thirty blocks on a side at once", () => {
    for (const cols of [4, 10, 30]) expect(sizesOf(cols, cols).most).toBeLessThanOrEqual(560);
    expect(sizesOf(1, 1).most).toBe(53);
  });

  it("scrolls a long row whose squares would be too small to hit", () => {
    const { gap, least } = sizesOf(1, 100);
    expect(least).toBe(100 * 10 + 99 * gap);
  });

  it("keeps a tall column short", () => {
    expect(sizesOf(100, 1).most).toBe(10);
  });
});
