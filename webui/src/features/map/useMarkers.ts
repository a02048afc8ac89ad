/** Markers of the save that is shown, as pins on the map. */
import { useQuery } from "@tanstack/react-query";
import L from "leaflet";
import { useEffect, useRef } from "react";

import { markersQuery } from "@/shared/api/queries";
import type { MapFacts, Marker } from "@/shared/api/types";
import type { MapView } from "@/shared/map/view";

interface Shown {
  isShown: boolean;
  chosen: Marker | null;
  onChoose: (marker: Marker) => void;
}

const PIN = "M12 22s8-7.1 8-13A8 8 0 0 0 4 9c0 5.9 8 13 8 13z";

export function useMarkers(view: MapView | null, facts: MapFacts, { isShown, chosen, onChoose }: Shown): readonly Marker[] {
  const { data } = useQuery({ ...markersQuery(facts.game, facts.save), enabled: isShown });
  const choose = useRef(onChoose);
  useEffect(() => {
    choose.current = onChoose;
  });
  const number = facts.frame.number;
  const chosenId = chosen?.id ?? null;
  useEffect(() => {
    if (view === null || !isShown || data === undefined) return undefined;
    const pins = data
      .filter((marker) => marker.frame_number === number)
      .map((marker) => pin(marker, marker.id === chosenId).on("click", () => choose.current(marker)));
    const group = L.layerGroup(pins).addTo(view.map);
    return () => void group.remove();
  }, [view, isShown, data, number, chosenId]);
  return data ?? NONE;
}

const NONE: readonly Marker[] = [];

function pin(marker: Marker, isChosen: boolean): L.Marker {
  const element = document.createElement("div");
  element.className = "map-marker";
  element.dataset.colour = marker.colour;
  if (isChosen) element.setAttribute("aria-current", "true");
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width: "28", height: "30", viewBox: "0 0 24 24", fill: "currentColor" })) {
    drawing.setAttribute(name, value);
  }
  const body = document.createElementNS("http://www.w3.org/2000/svg", "path");
  body.setAttribute("d", PIN);
  body.setAttribute("stroke", "#fff");
  const eye = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const [name, value] of Object.entries({ cx: "12", cy: "9", r: "3", fill: "#fff" })) eye.setAttribute(name, value);
  drawing.append(body, eye);
  const name = document.createElement("b");
  name.textContent = marker.name;
  element.append(drawing, name);
  // the panel lists them all for the keyboard: a hundred pins would stand between the map and its tools
  const icon = L.divIcon({ html: element, className: "", iconSize: [0, 0] });
  return L.marker([marker.y + 0.5, marker.x + 0.5], { icon, alt: marker.name, keyboard: false, riseOnHover: true });
}
