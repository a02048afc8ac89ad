import { describe, expect, it } from "vitest";

import { overlaysOf, parse, readPlace, spell } from "@/shared/map/camera";

describe("a position in the address", () => {
  it("comes back as it was written, in whole pixels", () => {
    expect(parse(spell({ x: 5120.4, y: 4096.6, z: 3.5 }, 5))).toEqual({ x: 5120, y: 4097, z: 3.5 });
  });

  it("keeps parts of a pixel beyond the native zoom", () => {
    expect(spell({ x: 5120.25, y: 4096.5, z: 6 }, 5)).toBe("#x=5120.25&y=4096.5&z=6");
  });

  it("is none where a number is missing or is none", () => {
    for (const hash of ["", "#x=1&y=2", "#x=abc&y=2&z=3", "#x=&y=2&z=3", "#x=1&y=2&z=Infinity"]) {
      expect(parse(hash)).toBeNull();
    }
  });

  it("is none beyond what any frame holds", () => {
    for (const hash of ["#x=1e20&y=0&z=5", "#x=0&y=-1e20&z=5"]) expect(parse(hash)).toBeNull();
    expect(parse("#x=-2147483648&y=2147483648&z=5")).toEqual({ x: -(2 ** 31), y: 2 ** 31, z: 5 });
    expect(readPlace("http://127.0.0.1:8080/maps/a-b-0001#x=1e20&y=0&z=5")).toBeNull();
  });

  it("may name overlays", () => {
    expect(overlaysOf("#x=1&y=2&z=3&o=grid,blocks")).toEqual(["grid", "blocks"]);
    expect(overlaysOf("#x=1&y=2&z=3")).toEqual([]);
  });
});

describe("a place to go to", () => {
  it("is read from numbers, from names, and from a whole link", () => {
    expect(readPlace("5120, 4096")).toEqual({ x: 5120, y: 4096, z: null });
    expect(readPlace("x=5120 y=4096")).toEqual({ x: 5120, y: 4096, z: null });
    expect(readPlace("http://127.0.0.1:8080/maps/a-b-0001#x=7&y=8&z=4.25")).toEqual({ x: 7, y: 8, z: 4.25 });
  });

  it("is none in a word, one number or four", () => {
    for (const text of ["", "home", "5120", "1 2 3 4"]) expect(readPlace(text)).toBeNull();
  });
});
