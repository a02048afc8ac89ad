/** The Leaflet map of one survey: latitude is y and longitude is x, both in game pixels of the frame. */
import "leaflet/dist/leaflet.css";

import L from "leaflet";

import type { MapFacts, Rect, TileJson } from "../api/types";
import type { Camera } from "./camera";

const EXTRA_ZOOMS = 3;
const MARGIN_PX = 24; // around a map that is shown whole
const NARROW_PX = 560; // there, tools would lie over the map's right edge
const TOOLS_PX = 44;
const BROKEN = "tile-broken";
const AGAIN_MS = 4000; // until a tile that the server could not give is requested again

export interface Pixel {
  x: number;
  y: number;
}

export interface ViewEvents {
  /** The camera moved; `scale` is screen pixels a game pixel. */
  onCamera?: (camera: Camera, scale: number) => void;
  onPointer?: (pixel: Pixel | null) => void;
  onClick?: (pixel: Pixel) => void;
  /** Tiles that the map promises and the server does not give. */
  onBroken?: (count: number) => void;
}

function pixelCrs(nativeZoom: number): L.CRS {
  const factor = 1 / 2 ** nativeZoom;
  return L.extend({}, L.CRS.Simple, { transformation: new L.Transformation(factor, 0, factor, 0) });
}

export function boundsOf({ x_px: x, y_px: y, width_px: width, height_px: height }: Rect): L.LatLngBounds {
  return L.latLngBounds([y, x], [y + height, x + width]);
}

export function inSameFrame(one: MapFacts, other: MapFacts): boolean {
  return (
    one.game === other.game &&
    one.save === other.save &&
    one.frame.number === other.frame.number &&
    one.frame.native_zoom === other.frame.native_zoom
  );
}

/** Return the layer of a map's tiles. */
export function tileLayer(tilejson: TileJson, minZoom: number, pane = "tilePane"): L.TileLayer {
  const { path, tile_px: tilePx, frame, bounds } = tilejson.imageflow;
  // On a dense screen the level below fills the same room with twice the pixels.
  const denser = L.Browser.retina && frame.native_zoom > 0 ? 1 : 0;
  return L.tileLayer(path, {
    pane,
    tileSize: tilePx >> denser,
    zoomOffset: denser,
    minZoom,
    maxZoom: frame.native_zoom + EXTRA_ZOOMS,
    minNativeZoom: Math.max(tilejson.minzoom - denser, 0),
    maxNativeZoom: frame.native_zoom - denser,
    bounds: boundsOf(bounds),
    keepBuffer: 3,
    updateWhenZooming: false,
  });
}

export class MapView {
  readonly map: L.Map;
  readonly #element: HTMLElement;
  readonly #events: ViewEvents;
  readonly #gone = new AbortController();
  readonly #leastZoom: number;
  #facts: MapFacts;
  #layer: L.TileLayer | null = null;
  readonly #older: L.TileLayer[] = [];
  readonly #askedAgain = new Set<string>();
  readonly #broken = new Map<string, L.TileLayer>();

  /**
   * Open a map; without a camera, all of it.
   *
   * @param leastZoom Where more than the map is to be shown; else one can zoom out as far as all of it needs.
   */
  constructor(element: HTMLElement, tilejson: TileJson, camera: Camera | null, events: ViewEvents = {}, leastZoom = Infinity) {
    const facts = tilejson.imageflow;
    this.#element = element;
    this.#events = events;
    this.#leastZoom = leastZoom;
    this.#facts = facts;
    this.map = L.map(element, {
      crs: pixelCrs(facts.frame.native_zoom),
      maxZoom: facts.frame.native_zoom + EXTRA_ZOOMS,
      zoomSnap: 0.25,
      zoomDelta: 1,
      wheelPxPerZoomLevel: 68, // one notch of a common wheel is one zoom
      zoomControl: false,
      attributionControl: false,
      fadeAnimation: false, // half-faded tiles show their seams
      center: [facts.bounds.y_px, facts.bounds.x_px],
      zoom: facts.frame.native_zoom,
    });
    this.map.on("move zoom", () => this.#told());
    this.map.on("mousemove", (event) => events.onPointer?.(whole(event.latlng)));
    this.map.on("mouseout", () => events.onPointer?.(null));
    this.map.on("click", (event) => events.onClick?.(whole(event.latlng)));
    const resized = new ResizeObserver(() => this.map.invalidateSize({ animate: false }));
    resized.observe(element);
    this.#gone.signal.addEventListener("abort", () => resized.disconnect());
    this.#lay(tilejson);
    if (camera === null) this.fit();
    else this.go(camera);
    this.#told();
  }

  get facts(): MapFacts {
    return this.#facts;
  }

  get camera(): Camera {
    const { lng: x, lat: y } = this.map.getCenter();
    return { x, y, z: this.map.getZoom() };
  }

  /** What the screen shows, in game pixels. */
  get seen(): { left: number; top: number; right: number; bottom: number } {
    const bounds = this.map.getBounds();
    // y grows downwards: Leaflet's south is the smaller latitude, our top
    return { left: bounds.getWest(), top: bounds.getSouth(), right: bounds.getEast(), bottom: bounds.getNorth() };
  }

  /** Show another map of the same frame; the camera stays. */
  show(tilejson: TileJson): void {
    this.#facts = tilejson.imageflow;
    this.#lay(tilejson);
    this.#told();
  }

  fit(): void {
    this.map.fitBounds(boundsOf(this.#facts.bounds), {
      animate: false,
      paddingTopLeft: [MARGIN_PX, MARGIN_PX],
      paddingBottomRight: [MARGIN_PX + this.#toolsPx, MARGIN_PX],
    });
  }

  go({ x, y, z }: Camera): void {
    this.map.setView([y, x], z, { animate: false });
  }

  /** Fly to a place, at once where motion is unwanted. */
  fly(rect: Rect): void {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.flyToBounds(boundsOf(rect), {
      animate: !still,
      duration: 0.8,
      padding: [64, 64],
      maxZoom: this.#facts.frame.native_zoom,
    });
  }

  close(): void {
    this.#gone.abort();
    this.map.remove();
    this.#element.classList.remove("pixelated");
  }

  get #toolsPx(): number {
    return this.map.getSize().x < NARROW_PX ? TOOLS_PX : 0;
  }

  #lay(tilejson: TileJson): void {
    const margins = L.point(2 * MARGIN_PX + this.#toolsPx, 2 * MARGIN_PX);
    const fit = this.map.getBoundsZoom(boundsOf(this.#facts.bounds), false, margins);
    this.map.setMinZoom(Math.min(tilejson.minzoom, fit, this.#leastZoom));
    const layer = this.watch(tileLayer(tilejson, this.map.getMinZoom()));
    if (this.#layer !== null) this.#older.push(this.#layer);
    this.#layer = layer.addTo(this.map);
    // older ones are seen until the new one is there; one that has no tile in view never says that it is
    const uncover = () => {
      if (this.#layer === layer) for (const older of this.#older.splice(0)) older.remove();
    };
    if (layer.isLoading()) layer.once("load", uncover);
    else uncover();
  }

  /** Look after a layer's tiles that do not come. */
  watch(layer: L.TileLayer): L.TileLayer {
    layer.on("tileerror", ({ tile }) => void this.#examine(tile, layer));
    layer.on("tileload", ({ tile }) => this.#came(tile));
    layer.on("remove", () => this.#forget(layer));
    return layer;
  }

  #came(tile: HTMLImageElement): void {
    this.#askedAgain.delete(tile.src);
    if (!this.#broken.delete(tile.src)) return;
    tile.classList.remove(BROKEN);
    this.#events.onBroken?.(this.#broken.size);
  }

  /** A tile outside the mosaic is rightly not there; one that is promised and not given is shown as broken. */
  async #examine(tile: HTMLImageElement, layer: L.TileLayer): Promise<void> {
    const address = tile.src;
    if (!address.startsWith("http") || !address.includes("/tiles/")) return;
    let response: Response;
    try {
      response = await fetch(address, { signal: this.#gone.signal, cache: "no-cache" });
    } catch {
      this.#askLater(tile, address); // the page shows that the server is away
      return;
    }
    if (response.status >= 500) {
      this.#askLater(tile, address);
      return;
    }
    if (response.ok && !this.#askedAgain.has(address)) {
      this.#askedAgain.add(address); // it came too late; one that comes and cannot be drawn either is broken
      tile.src = address;
      return;
    }
    const body = (await response.json().catch(() => null)) as { error?: { code?: string } } | null;
    if (!response.ok && body?.error?.code !== "OBJECT_MISSING") return;
    if (!tile.isConnected) return; // its layer has gone meanwhile
    tile.classList.add(BROKEN);
    this.#broken.set(address, layer);
    this.#events.onBroken?.(this.#broken.size);
  }

  #askLater(tile: HTMLImageElement, address: string): void {
    setTimeout(() => {
      if (tile.isConnected) tile.src = address; // else it was left behind, or the map was closed
    }, AGAIN_MS);
  }

  #forget(layer: L.TileLayer): void {
    const gone = [...this.#broken].filter(([, one]) => one === layer);
    for (const [address] of gone) this.#broken.delete(address);
    if (gone.length > 0) this.#events.onBroken?.(this.#broken.size);
  }

  #told(): void {
    const scale = 2 ** (this.map.getZoom() - this.#facts.frame.native_zoom) * (window.devicePixelRatio || 1);
    this.#element.classList.toggle("pixelated", scale > 1);
    this.#events.onCamera?.(this.camera, scale);
  }
}

function whole({ lng, lat }: L.LatLng): Pixel {
  return { x: Math.floor(lng), y: Math.floor(lat) };
}
