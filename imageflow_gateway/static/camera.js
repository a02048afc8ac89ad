// A position as the address has it: the game pixel in the middle, and the zoom. `#x=5120&y=4096&z=3.5`

export function parse(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const camera = {};
  for (const name of ["x", "y", "z"]) {
    const text = given.get(name);
    if (text === null || text.trim() === "" || !Number.isFinite(Number(text))) return null;
    camera[name] = Number(text);
  }
  return camera;
}

export function spell({ x, y, z }, nativeZoom) {
  // Beyond the native zoom a whole pixel would move the picture visibly.
  const digits = z > nativeZoom ? 2 : 0;
  const short = (value, places) => String(Number(value.toFixed(places)));
  return `#x=${short(x, digits)}&y=${short(y, digits)}&z=${short(z, 2)}`;
}
