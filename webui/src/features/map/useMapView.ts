/** The life of the Leaflet map within React: opened once, shown anew for another survey of the same frame. */
import { type RefObject, useEffect, useRef, useState } from "react";

import type { TileJson } from "@/shared/api/types";
import { parse } from "@/shared/map/camera";
import { MapView, type ViewEvents } from "@/shared/map/view";

export function useMapView(
  element: RefObject<HTMLElement | null>,
  tilejson: TileJson,
  events: RefObject<ViewEvents>,
): MapView | null {
  const [view, setView] = useState<MapView | null>(null);
  const latest = useRef(tilejson);
  useEffect(() => {
    latest.current = tilejson;
  });

  useEffect(() => {
    if (element.current === null) return undefined;
    const opened = new MapView(element.current, latest.current, parse(window.location.hash), {
      onCamera: (camera, scale) => events.current.onCamera?.(camera, scale),
      onPointer: (pixel) => events.current.onPointer?.(pixel),
      onClick: (pixel) => events.current.onClick?.(pixel),
      onBroken: (count) => events.current.onBroken?.(count),
    });
    setView(opened);
    return () => {
      setView(null);
      opened.close();
    };
  }, [element, events]);

  const { survey, revision } = tilejson.imageflow;
  useEffect(() => {
    if (view === null) return;
    const shown = view.facts;
    if (shown.survey !== survey || shown.revision !== revision) view.show(latest.current);
  }, [view, survey, revision]);
  return view;
}
