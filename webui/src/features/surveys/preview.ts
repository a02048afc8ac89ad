/** Where a survey's grid would lie on the latest map of its save. */
import type { Areas, Rect } from "@/shared/api/types";
import type { Paint } from "@/shared/map/overlay";

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

/**
 * Lay a grid where the latest survey began, at its pace; null where that survey's areas do not tell a pace.
 */
export function planGrid(areas: Areas, rows: number, cols: number, blockSide: number): PlannedGrid | null {
  const at = (row: number, col: number) => areas.row.findIndex((r, place) => r === row && areas.col[place] === col);
  const first = at(0, 0);
  if (first < 0 || !areas.placed) return null;
  const [x, y] = [areas.x[first] ?? 0, areas.y[first] ?? 0];
  const right = at(0, 1);
  const lower = at(1, 0);
  return {
    x, y, rows, cols, blockSide,
    view: areas.view,
    across: right < 0 ? areas.view.width_px : (areas.x[right] ?? 0) - x,
    down: lower < 0 ? areas.view.height_px : (areas.y[lower] ?? 0) - y,
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
