/** How a planned grid is drawn, at the place that the server gives. */
import type { PlannedPlaces, Rect } from "@/shared/api/types";
import type { Paint } from "@/shared/map/overlay";
import { strokeTwice } from "@/shared/map/paints";

const LEAST_CELL_PX = 5; // smaller areas would be one grey sheet

/** Return the smallest rectangle that has all of some. */
export function around(rects: readonly Rect[]): Rect {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const one of rects) { // spread over one call they may be more than it takes
    left = Math.min(left, one.x_px);
    top = Math.min(top, one.y_px);
    right = Math.max(right, one.x_px + one.width_px);
    bottom = Math.max(bottom, one.y_px + one.height_px);
  }
  return { x_px: left, y_px: top, width_px: right - left, height_px: bottom - top };
}

/** Thin lines where areas begin, thick ones around blocks. */
export const paintPlan =
  ({ columns, rows, blocks }: PlannedPlaces): Paint =>
  ({ context, at, scale }) => {
    const pace = columns.length < 2 ? Infinity : ((columns.at(-1) ?? 0) - (columns[0] ?? 0)) / (columns.length - 1);
    for (const { x_px: x, y_px: y, width_px: width, height_px: height } of blocks) {
      const from = at(x, y);
      const to = at(x + width, y + height);
      context.fillStyle = "rgb(124 201 169 / 18%)";
      context.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
      if (pace * scale >= LEAST_CELL_PX) {
        context.beginPath();
        for (const column of columns.filter((one) => one > x && one < x + width)) {
          context.moveTo(at(column, y).x, from.y);
          context.lineTo(at(column, y).x, to.y);
        }
        for (const row of rows.filter((one) => one > y && one < y + height)) {
          context.moveTo(from.x, at(x, row).y);
          context.lineTo(to.x, at(x, row).y);
        }
        strokeTwice(context, "rgb(255 255 255 / 70%)", 1);
      }
      context.lineWidth = 2;
      context.strokeStyle = "#ffd43b";
      context.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
    }
  };
