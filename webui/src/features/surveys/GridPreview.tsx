/** The requested grid, drawn over the latest map of the save. */
import "@/shared/map/map.css";

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { tilejsonQuery } from "@/shared/api/queries";
import type { PlannedPlaces, TileJson } from "@/shared/api/types";
import { CanvasOverlay } from "@/shared/map/overlay";
import { boundsOf, MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";

import { around, paintPlan } from "./preview";

const LEAST_ZOOM = -8; // a grid may be larger than the map

export function GridPreview({ places }: { places: PlannedPlaces }) {
  const tilejson = useQuery(tilejsonQuery(places.survey)).data;
  if (!tilejson) return <div className="preview-map map-ground" />;
  return <Drawn key={places.survey} tilejson={tilejson} places={places} />;
}

function Drawn({ tilejson, places }: { tilejson: TileJson; places: PlannedPlaces }) {
  const { form: texts } = useTexts();
  const element = useRef<HTMLDivElement>(null);
  const opened = useRef<{ view: MapView; overlay: CanvasOverlay } | null>(null);
  const first = useRef(tilejson);
  useEffect(() => {
    if (element.current === null) return undefined;
    const view = new MapView(element.current, first.current, null, {}, LEAST_ZOOM);
    const overlay = new CanvasOverlay(() => undefined).addTo(view.map);
    opened.current = { view, overlay };
    return () => {
      opened.current = null;
      view.close();
    };
  }, []);
  const { revision } = tilejson.imageflow;
  useEffect(() => {
    if (opened.current === null) return;
    const { view, overlay } = opened.current;
    if (view.facts.revision !== revision) view.show(tilejson);
    overlay.repaint(paintPlan(places));
    view.map.fitBounds(boundsOf(around([...places.blocks, tilejson.imageflow.bounds])), { animate: false, padding: [16, 16] });
  }, [places, tilejson, revision]);
  return (
    <div className="preview-map">
      <div ref={element} className="map-ground" role="application" aria-label={texts.preview} tabIndex={0} />
    </div>
  );
}
