import { describe, expect, it } from "vitest";

import { hashOf, overlaysIn, pathOf } from "@/features/map/link";

const CAMERA = { x: 1, y: 2, z: 3 };

describe("a link to a map", () => {
  it("says which overlays are shown, also where none is", () => {
    expect(hashOf(CAMERA, 5, ["grid", "markers"])).toBe("#x=1&y=2&z=3&o=grid,markers");
    expect(overlaysIn(hashOf(CAMERA, 5, ["grid", "markers"]))).toEqual(["grid", "markers"]);
    expect(overlaysIn(hashOf(CAMERA, 5, []))).toEqual([]);
  });

  it("shows markers where it says nothing of overlays", () => {
    for (const hash of ["", "#x=1&y=2&z=3", "#foo=grid"]) expect(overlaysIn(hash)).toEqual(["markers"]);
  });

  it("leaves out what is no overlay", () => {
    expect(overlaysIn("#o=grid,nothing,grid")).toEqual(["grid"]);
  });

  it("names the survey", () => {
    expect(pathOf("openttd-example-0001")).toBe("/maps/openttd-example-0001");
  });
});
