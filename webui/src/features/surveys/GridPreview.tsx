/** The grid that is asked for, drawn over the latest map of the save. */
import "@/shared/map/map.css";

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { areasQuery, surveyQuery, tilejsonQuery } from "@/shared/api/queries";
import type { Areas, TileJson } from "@/shared/api/types";
import { CanvasOverlay } from "@/shared/map/overlay";
import { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";

import { coveredBy, type Lie, paintPlan, planGrid, type PlannedGrid } from "./preview";

interface Size {
  rows: number;
  cols: number;
}

export function GridPreview({ survey: id, size, lie }: { survey: string; size: Size; lie: Lie }) {
  const tilejson = useQuery(tilejsonQuery(id)).data;
  const survey = useQuery(surveyQuery(id)).data;
  const areas = useQuery({ ...areasQuery(id, survey?.revision ?? null), enabled: survey !== undefined }).data;
  if (!tilejson || areas === undefined || survey === undefined) return <div className="preview-map map-ground" />;
  return <Drawn key={id} tilejson={tilejson} areas={areas} blockSide={survey.block_side} size={size} lie={lie} />;
}

function Drawn({ tilejson, areas, blockSide, size: { rows, cols }, lie }: {
  tilejson: TileJson;
  areas: Areas;
  blockSide: number;
  size: Size;
  lie: Lie;
}) {
  const { form: texts } = useTexts();
  const element = useRef<HTMLDivElement>(null);
  const planned = JSON.stringify(planGrid(areas, rows, cols, blockSide, lie)); // a value: drawn anew only where it differs
  const opened = useRef<{ view: MapView; overlay: CanvasOverlay } | null>(null);
  const first = useRef(tilejson);
  useEffect(() => {
    if (element.current === null) return undefined;
    const view = new MapView(element.current, first.current, null);
    const overlay = new CanvasOverlay(() => undefined).addTo(view.map);
    opened.current = { view, overlay };
    return () => {
      opened.current = null;
      view.close();
    };
  }, []);
  useEffect(() => {
    const grid = JSON.parse(planned) as PlannedGrid | null;
    if (opened.current === null || grid === null) return;
    const { view, overlay } = opened.current;
    overlay.repaint(paintPlan(grid));
    const covered = coveredBy(grid);
    const { x_px: left, y_px: top, width_px: width, height_px: height } = tilejson.imageflow.bounds;
    const x = Math.min(covered.x_px, left);
    const y = Math.min(covered.y_px, top);
    view.map.setMinZoom(-8);
    view.show(tilejson);
    view.map.setMinZoom(-8); // a grid may be larger than the map
    view.map.fitBounds(
      [
        [y, x],
        [Math.max(covered.y_px + covered.height_px, top + height), Math.max(covered.x_px + covered.width_px, left + width)],
      ],
      { animate: false, padding: [16, 16] },
    );
  }, [planned, tilejson]);
  return (
    <div className="preview-map">
      <div ref={element} className="map-ground" role="application" aria-label={texts.preview} tabIndex={0} />
    </div>
  );
}
