/** A position as the address has it: the game pixel in the middle, and the zoom. `#x=5120&y=4096&z=3.5` */

export interface Camera {
  x: number;
  y: number;
  z: number;
}

const FAR_PX = 2 ** 31; // frames are smaller; beyond, sums of pixels lose their digits and Leaflet never ends

export function parse(hash: string): Camera | null {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const read = (name: string): number | null => {
    const text = given.get(name);
    return text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text);
  };
  const [x, y, z] = [read("x"), read("y"), read("z")];
  if (x === null || y === null || z === null || Math.abs(x) > FAR_PX || Math.abs(y) > FAR_PX) return null;
  return { x, y, z };
}

/** Overlays that a link names: `&o=grid,blocks`. */
export function overlaysOf(hash: string): readonly string[] {
  return (new URLSearchParams(hash.replace(/^#/, "")).get("o") ?? "").split(",").filter((name) => name !== "");
}

export function spell({ x, y, z }: Camera, nativeZoom: number): string {
  // Beyond the native zoom a whole pixel would move the picture visibly.
  const digits = z > nativeZoom ? 2 : 0;
  const short = (value: number, places: number) => String(Number(value.toFixed(places)));
  return `#x=${short(x, digits)}&y=${short(y, digits)}&z=${short(z, 2)}`;
}

/** `1234, 5678`, `x=1234 y=5678` or a whole link: a place to go to, or null. */
export function readPlace(text: string): { x: number; y: number; z: number | null } | null {
  const hash = text.includes("#") ? parse(text.slice(text.indexOf("#"))) : null;
  if (hash !== null) return hash;
  const numbers = text.match(/-?\d+(?:\.\d+)?/g)?.map(Number) ?? [];
  const [x, y, z] = numbers;
  if (x === undefined || y === undefined || numbers.length > 3) return null;
  return { x, y, z: z ?? null };
}
