/** How one square of the heat map stands. */
import type { Block, Layer, LayerState } from "@/shared/api/types";

export type Heat = LayerState | "part1" | "part2";

/**
 * Return what a block's square shows: of one layer its state; of all layers the worst, and else how many are done.
 *
 * @param layer Null for all layers together.
 */
export function heatOf(block: Block, layer: Layer | null): Heat {
  if (layer !== null) return block.layers.find((one) => one.layer === layer)?.state ?? "missing";
  const states = block.layers.map((one) => one.state);
  if (states.includes("failed")) return "failed";
  if (states.includes("running")) return "running";
  const done = states.filter((state) => state === "done").length;
  if (done === 0) return "missing";
  if (done === states.length) return "done";
  return done === 1 ? "part1" : "part2";
}

const LEAST_PX = 10; // smaller squares cannot be hit: a longer row is scrolled
const MOST_PX = 53;
const SIDE_PX = 560;
const MANY = 30; // from here on squares lie closer together

/**
 * Return the gap between squares, and between which widths all of them lie, in pixels: as many of them as can be seen
 * at once, and none too small.
 */
export function sizesOf(rows: number, cols: number): { gap: number; least: number; most: number } {
  const longer = Math.max(rows, cols);
  const gap = longer > MANY ? 1 : 3;
  const square = Math.max(LEAST_PX, Math.min(MOST_PX, Math.floor((SIDE_PX + gap) / longer) - gap));
  const wide = (side: number) => cols * (side + gap) - gap;
  return { gap, least: wide(LEAST_PX), most: wide(square) };
}
