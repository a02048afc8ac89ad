/** Lengths in game pixels. */
interface Point {
  x: number;
  y: number;
}

/** Return the length of a path, in game pixels. */
export function lengthOf(points: readonly Point[]): number {
  return points.slice(1).reduce((sum, { x, y }, place) => {
    const from = points[place] as Point;
    return sum + Math.hypot(x - from.x, y - from.y);
  }, 0);
}
