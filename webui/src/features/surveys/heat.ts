/** How one square of the heat map stands. */
import type { Block, Layer, Stand } from "@/shared/api/types";

export type Heat = Stand | "part1" | "part2";

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
