// The Leaflet map of one survey. Latitude is y and longitude is x, both in game pixels of the frame.

const EXTRA_ZOOMS = 3;

function pixelCrs(nativeZoom) {
  const factor = 1 / 2 ** nativeZoom;
  return L.extend({}, L.CRS.Simple, { transformation: new L.Transformation(factor, 0, factor, 0) });
}

function toolButton(label, title, act) {
  const link = L.DomUtil.create("a", "small");
  link.href = "#";
  link.role = "button";
  link.title = title;
  link.setAttribute("aria-label", title);
  link.textContent = label;
  L.DomEvent.on(link, "click", L.DomEvent.stop).on(link, "click", act);
  return link;
}

export class MapView {
  #element;
  #events;
  #map = null;
  #layer = null;
  #facts = null;

  /** `events`: onCamera({x, y, z}), onPointer({x, y} or null), called when they change. */
  constructor(element, events) {
    this.#element = element;
    this.#events = events;
  }

  get facts() {
    return this.#facts;
  }

  /** Show a map; `camera` null keeps the position within one frame, and else shows all of the map. */
  show(tilejson, camera) {
    const facts = tilejson.imageflow;
    const before = this.#facts;
    const sameFrame =
      before !== null &&
      before.game === facts.game &&
      before.save === facts.save &&
      before.frame.number === facts.frame.number &&
      before.frame.native_zoom === facts.frame.native_zoom;
    if (!sameFrame) this.clear();
    this.#facts = facts;
    if (this.#map === null) this.#open(facts);
    this.#map.setMinZoom(Math.min(tilejson.minzoom, this.#fitZoom()));
    this.#lay(tilejson);
    if (camera !== null) this.go(camera);
    else if (!sameFrame) this.fit();
    this.#told();
  }

  clear() {
    this.#map?.remove();
    this.#map = this.#layer = this.#facts = null;
    this.#element.classList.remove("pixelated");
  }

  fit() {
    this.#map?.fitBounds(this.#bounds(), { animate: false, padding: [24, 24] });
  }

  go({ x, y, z }) {
    this.#map?.setView([y, x], z, { animate: false });
  }

  redraw() {
    this.#layer?.redraw();
  }

  #open(facts) {
    const native = facts.frame.native_zoom;
    this.#map = L.map(this.#element, {
      crs: pixelCrs(native),
      maxZoom: native + EXTRA_ZOOMS,
      zoomSnap: 0.25,
      zoomDelta: 1,
      wheelPxPerZoomLevel: 68, // one notch of a common wheel is one zoom
      zoomControl: false,
      attributionControl: false,
      fadeAnimation: false, // half-faded tiles show their seams
      center: [facts.bounds.y_px, facts.bounds.x_px],
      zoom: native,
    });
    L.control.zoom({ position: "bottomright" }).addTo(this.#map);
    this.#addTools(native);
    this.#map.on("move zoom", () => this.#told());
    this.#map.on("mousemove", (event) => this.#events.onPointer(this.#pixel(event.latlng)));
    this.#map.on("mouseout", () => this.#events.onPointer(null));
  }

  #addTools(native) {
    const tools = L.control({ position: "bottomright" });
    tools.onAdd = () => {
      const bar = L.DomUtil.create("div", "leaflet-bar");
      bar.append(
        toolButton("1:1", "One game pixel a screen pixel", () => this.#map.setZoom(native)),
        toolButton("All", "Show the whole map", () => this.fit()),
      );
      return bar;
    };
    tools.addTo(this.#map);
  }

  #lay(tilejson) {
    const { path, tile_px: tilePx, frame } = tilejson.imageflow;
    // On a dense screen the level below fills the same room with twice the pixels.
    const denser = L.Browser.retina && frame.native_zoom > 0 ? 1 : 0;
    const layer = L.tileLayer(path, {
      tileSize: tilePx >> denser,
      zoomOffset: denser,
      minZoom: this.#map.getMinZoom(),
      maxZoom: frame.native_zoom + EXTRA_ZOOMS,
      minNativeZoom: Math.max(tilejson.minzoom - denser, 0),
      maxNativeZoom: frame.native_zoom - denser,
      bounds: this.#bounds(),
      keepBuffer: 3,
    });
    const older = this.#layer;
    this.#layer = layer.addTo(this.#map);
    if (older !== null) layer.once("load", () => older.remove());
  }

  #bounds() {
    const { x_px: x, y_px: y, width_px: width, height_px: height } = this.#facts.bounds;
    return L.latLngBounds([y, x], [y + height, x + width]);
  }

  #fitZoom() {
    return this.#map.getBoundsZoom(this.#bounds(), false, L.point(48, 48));
  }

  #pixel({ lng, lat }) {
    return { x: Math.floor(lng), y: Math.floor(lat) };
  }

  #told() {
    const { lng: x, lat: y } = this.#map.getCenter();
    const z = this.#map.getZoom();
    const screenPixels = 2 ** (z - this.#facts.frame.native_zoom) * (window.devicePixelRatio || 1);
    this.#element.classList.toggle("pixelated", screenPixels > 1);
    this.#events.onCamera({ x, y, z }, screenPixels);
  }
}
