/** Measure on the map: a path of points, its length, and the box of its last step. */
import { Button } from "@mantine/core";
import L from "leaflet";
import { useEffect } from "react";

import type { MapView, Pixel } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Panel } from "@/shared/ui/Panel";

import { lengthOf } from "./length";

export function MeasurePanel({ view, points, onChange, onClose }: {
  view: MapView;
  points: readonly Pixel[];
  onChange: (points: readonly Pixel[]) => void;
  onClose: () => void;
}) {
  const texts = useTexts();
  useEffect(() => {
    const path = L.polyline(points.map(({ x, y }) => [y + 0.5, x + 0.5]), { color: "#fff", weight: 3, className: "measured" });
    const under = L.polyline(path.getLatLngs() as L.LatLng[], { color: "#14705a", weight: 6 });
    const dots = points.map(({ x, y }) =>
      L.circleMarker([y + 0.5, x + 0.5], { radius: 5, color: "#14705a", weight: 3, fillColor: "#fff", fillOpacity: 1 }),
    );
    const drawn = L.layerGroup([under, path, ...dots]).addTo(view.map);
    return () => void drawn.remove();
  }, [view, points]);
  const last = points.at(-1);
  const before = points.at(-2);
  return (
    <Panel title={texts.map.tools.measure} onClose={onClose}>
      <p className="big numbers" aria-live="polite">{texts.map.measure.distance(texts.n(Math.round(lengthOf(points))))}</p>
      {last !== undefined && before !== undefined && (
        <p className="small numbers">
          <span className="soft">{texts.map.measure.last}: </span>
          {texts.map.measure.box(texts.n(Math.abs(last.x - before.x)), texts.n(Math.abs(last.y - before.y)))}
        </p>
      )}
      <p className="small soft">{texts.map.measure.hint}</p>
      {points.length > 0 && <Button variant="default" onClick={() => onChange([])}>{texts.map.measure.clear}</Button>}
    </Panel>
  );
}
