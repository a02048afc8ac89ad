/** Where a survey's grid would lie on the latest map of its save. */
import type { Areas, Rect } from "@/shared/api/types";
import type { Paint } from "@/shared/map/overlay";

import type { Values } from "./fields";

export interface PlannedGrid {
  /** Top left corner of the first area, in game pixels. */
  x: number;
  y: number;
  /** Game pixels from one area to the next. */
  across: number;
  down: number;
  view: { width_px: number; height_px: number };
  rows: number;
  cols: number;
  blockSide: number;
}

/** What is asked for of how the grid lies: by the form, or else by the game's file. */
export interface Lie {
  /** The driver lays its grid around a centre, and else from the first area on. */
  isCentred: boolean;
  view: Pair | null;
  step: Pair | null;
  overlap: Pair | null;
}

type Pair = readonly [number, number];

/** Read from a driver's parameters how a grid lies; what is not set is as it was in the latest survey. */
export function lieOf(parameters: Values, isCentred: boolean): Lie {
  const { view, step, overlap_px: overlap } = parameters;
  return { isCentred, view: pairOf(view), step: pairOf(step), overlap: pairOf(overlap) };
}

function pairOf(value: unknown): Pair | null {
  if (!Array.isArray(value)) return null;
  const [across, down] = value as unknown[];
  return typeof across === "number" && typeof down === "number" ? [across, down] : null;
}

/** Pixels from an area to its right and its lower neighbour; null where the survey has no two neighbours. */
function paceOf(areas: Areas): readonly [number | null, number | null] {
  const places = new Map(areas.row.map((row, place) => [`${row},${areas.col[place] ?? 0}`, place]));
  const first = (line: readonly number[], right: number, lower: number): number | null => {
    for (const [place, row] of areas.row.entries()) {
      const next = places.get(`${row + lower},${(areas.col[place] ?? 0) + right}`);
      if (next !== undefined) return (line[next] ?? 0) - (line[place] ?? 0);
    }
    return null;
  };
  return [first(areas.x, 1, 0), first(areas.y, 0, 1)];
}

/**
 * Lay a grid where the latest survey lies, around its middle or from where it began, at the pace that is asked for or
 * else at its own; null where that survey is not placed.
 */
export function planGrid(areas: Areas, rows: number, cols: number, blockSide: number, lie: Lie): PlannedGrid | null {
  const first = areas.row.findIndex((row, place) => row === 0 && areas.col[place] === 0);
  if (!areas.placed || areas.row.length === 0 || (first < 0 && !lie.isCentred)) return null;
  const before = [areas.view.width_px, areas.view.height_px] as const;
  const view = lie.view ?? before;
  const paces = paceOf(areas);
  const pace = (axis: 0 | 1): number => {
    if (lie.step !== null) return lie.step[axis];
    if (lie.overlap !== null) return view[axis] - lie.overlap[axis];
    return view[axis] - before[axis] + (paces[axis] ?? before[axis]); // they overlap as before
  };
  const [across, down] = [pace(0), pace(1)];
  const middle = (line: readonly number[], side: number, pace: number, count: number, whole: number) => {
    const [least, most] = [Math.min(...line), Math.max(...line)];
    return (least + most + side) / 2 - ((count - 1) * pace + whole) / 2;
  };
  return {
    x: lie.isCentred ? middle(areas.x, before[0], across, cols, view[0]) : (areas.x[first] ?? 0),
    y: lie.isCentred ? middle(areas.y, before[1], down, rows, view[1]) : (areas.y[first] ?? 0),
    rows, cols, blockSide, across, down,
    view: { width_px: view[0], height_px: view[1] },
  };
}

export function coveredBy(grid: PlannedGrid): Rect {
  return {
    x_px: grid.x,
    y_px: grid.y,
    width_px: (grid.cols - 1) * grid.across + grid.view.width_px,
    height_px: (grid.rows - 1) * grid.down + grid.view.height_px,
  };
}

/** Thin lines between areas, thick ones around blocks. */
export const paintPlan =
  (grid: PlannedGrid): Paint =>
  ({ context, at, scale }) => {
    const covered = coveredBy(grid);
    const from = at(covered.x_px, covered.y_px);
    const to = at(covered.x_px + covered.width_px, covered.y_px + covered.height_px);
    context.fillStyle = "rgb(124 201 169 / 18%)";
    context.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
    const lines = (each: number, colour: string, width: number) => {
      context.beginPath();
      for (let col = 0; col <= grid.cols; col += each) {
        const x = col >= grid.cols ? to.x : at(grid.x + col * grid.across, 0).x;
        context.moveTo(x, from.y);
        context.lineTo(x, to.y);
      }
      for (let row = 0; row <= grid.rows; row += each) {
        const y = row >= grid.rows ? to.y : at(0, grid.y + row * grid.down).y;
        context.moveTo(from.x, y);
        context.lineTo(to.x, y);
      }
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    };
    if (grid.across * scale > 4) lines(1, "rgb(255 255 255 / 65%)", 1);
    lines(grid.blockSide, "#ffd43b", 2);
    context.strokeStyle = "#ffd43b";
    context.lineWidth = 2;
    context.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
  };
