/** The page beside an exported folder of tiles: one map, its position in the address, and nothing fetched from elsewhere. */
import "@/shared/ui/theme.css";
import "@/shared/map/map.css";
import "./exported.css";

import L from "leaflet";

import type { TileJson } from "@/shared/api/types";
import { parse, spell } from "@/shared/map/camera";
import { MapView } from "@/shared/map/view";

const HASH_AFTER_MS = 150; // browsers refuse a page that changes its address too often

function find(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}.`);
  return element;
}

async function show(): Promise<void> {
  const answer = await fetch("tilejson.json");
  if (!answer.ok) throw new Error(`tilejson.json: ${answer.status} ${answer.statusText}`);
  const tilejson = (await answer.json()) as TileJson;
  document.title = tilejson.name;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const view = new MapView(find("map"), tilejson, parse(window.location.hash), {
    onCamera: (camera) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        window.history.replaceState(null, "", spell(camera, tilejson.imageflow.frame.native_zoom));
      }, HASH_AFTER_MS);
    },
    onPointer: (pixel) => {
      if (pixel !== null) find("coordinates").textContent = `${pixel.x}, ${pixel.y}`;
    },
  });
  L.control.zoom({ position: "bottomright" }).addTo(view.map);
}

show().catch((error: unknown) => {
  const banner = find("banner");
  banner.textContent = `The map cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  banner.hidden = false;
});
