/** The life of the Leaflet map within React: opened once a frame, shown anew for another survey of the same frame. */
import { type RefObject, useEffect, useRef, useState } from "react";

import type { TileJson } from "@/shared/api/types";
import { type Camera, parse } from "@/shared/map/camera";
import { MapView, type ViewEvents } from "@/shared/map/view";

export function useMapView(
  element: RefObject<HTMLElement | null>,
  tilejson: TileJson,
  events: RefObject<ViewEvents>,
): MapView | null {
  const [view, setView] = useState<MapView | null>(null);
  const first = useRef<Camera | null>(parse(window.location.hash));
  const { game, save, frame } = tilejson.imageflow;
  const latest = useRef(tilejson);
  useEffect(() => {
    latest.current = tilejson;
  });

  useEffect(() => {
    if (element.current === null) return undefined;
    const opened = new MapView(element.current, latest.current, first.current, {
      onCamera: (camera, scale) => events.current.onCamera?.(camera, scale),
      onPointer: (pixel) => events.current.onPointer?.(pixel),
      onClick: (pixel) => events.current.onClick?.(pixel),
      onBroken: (count) => events.current.onBroken?.(count),
    });
    setView(opened);
    return () => {
      first.current = parse(window.location.hash); // another frame's page has no hash, and shows all
      setView(null);
      opened.close();
    };
  }, [element, events, game, save, frame.number, frame.native_zoom]);

  const { survey, revision } = tilejson.imageflow;
  useEffect(() => {
    if (view === null) return;
    const shown = view.facts;
    if (shown.survey !== survey || shown.revision !== revision) view.show(latest.current);
  }, [view, survey, revision]);
  return view;
}
