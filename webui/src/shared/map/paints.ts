/** What overlays draw: the survey's grid, its blocks, and low-confidence shots. */
import type { Areas, PlacedBlock, Rect } from "../api/types";
import { colourOf } from "./confidence";
import type { Paint, Pen } from "./overlay";

const LEAST_CELL_PX = 5; // smaller ones would be one grey sheet

function visible({ view }: Pen, { x_px: x, y_px: y, width_px: width, height_px: height }: Rect): boolean {
  return x < view.right && y < view.bottom && x + width > view.left && y + height > view.top;
}

function outline(pen: Pen, rect: Rect): void {
  const from = pen.at(rect.x_px, rect.y_px);
  const to = pen.at(rect.x_px + rect.width_px, rect.y_px + rect.height_px);
  pen.context.rect(Math.round(from.x) + 0.5, Math.round(from.y) + 0.5, to.x - from.x, to.y - from.y);
}

/** A line that is seen on light and dark ground: dark under bright. */
export function strokeTwice(context: CanvasRenderingContext2D, colour: string, width: number): void {
  context.lineWidth = width + 2;
  context.strokeStyle = "rgb(0 0 0 / 45%)";
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}

const rectOf = (areas: Areas, place: number): Rect => ({
  x_px: areas.x[place] ?? 0,
  y_px: areas.y[place] ?? 0,
  width_px: areas.view.width_px,
  height_px: areas.view.height_px,
});

export const paintGrid =
  (areas: Areas): Paint =>
  (pen) => {
    const { context } = pen;
    if (areas.view.width_px * pen.scale < LEAST_CELL_PX) return;
    context.beginPath();
    for (let place = 0; place < areas.row.length; place++) {
      const rect = rectOf(areas, place);
      if (areas.statuses[areas.status[place] ?? 0] !== "unplaced" && visible(pen, rect)) outline(pen, rect);
    }
    strokeTwice(context, "rgb(255 255 255 / 70%)", 1);
  };

export const paintBlocks =
  (blocks: readonly PlacedBlock[]): Paint =>
  (pen) => {
    const { context } = pen;
    context.beginPath();
    for (const { bounds } of blocks) if (bounds !== null && visible(pen, bounds)) outline(pen, bounds);
    strokeTwice(context, "#ffd43b", 2);
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "top";
    for (const { bounds, key } of blocks) {
      if (bounds === null || !visible(pen, bounds) || bounds.width_px * pen.scale < 80) continue;
      const { x, y } = pen.at(bounds.x_px, bounds.y_px);
      context.fillStyle = "rgb(0 0 0 / 65%)";
      context.fillRect(x + 4, y + 4, context.measureText(key).width + 10, 20);
      context.fillStyle = "#ffd43b";
      context.fillText(key, x + 9, y + 8);
    }
  };

export const paintAmbiguous =
  (areas: Areas): Paint =>
  (pen) => {
    const { context } = pen;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (let place = 0; place < areas.row.length; place++) {
      const rect = rectOf(areas, place);
      if (areas.statuses[areas.status[place] ?? 0] !== "ambiguous" || !visible(pen, rect)) continue;
      const sure = areas.confidence[place] ?? 0;
      context.beginPath();
      outline(pen, rect);
      context.fillStyle = colourOf(sure, 0.3);
      context.fill();
      strokeTwice(context, colourOf(sure), 2);
      if (rect.width_px * pen.scale < 72) continue;
      const middle = pen.at(rect.x_px + rect.width_px / 2, rect.y_px + rect.height_px / 2);
      const words = `${sure < 1 ? Math.min(99, Math.round(100 * sure)) : 100} %`;
      const half = context.measureText(words).width / 2 + 6;
      context.fillStyle = "rgb(0 0 0 / 65%)";
      context.fillRect(middle.x - half, middle.y - 11, 2 * half, 22);
      context.fillStyle = "#fff";
      context.fillText(words, middle.x, middle.y);
    }
  };

/** Draw several on one canvas, first ones lowest. */
export const paintAll =
  (paints: readonly Paint[]): Paint =>
  (pen) => {
    for (const paint of paints) {
      pen.context.save();
      paint(pen);
      pen.context.restore();
    }
  };
