/** A canvas over the map for thousands of outlines: one element, redrawn when the map rests, scaled with it meanwhile. */
import L from "leaflet";

const PADDING = 0.3; // of the screen's side, drawn beyond each edge: what dragging brings into view

export interface Pen {
  context: CanvasRenderingContext2D;
  /** Game pixels to canvas pixels. */
  at: (x: number, y: number) => L.Point;
  /** Canvas pixels a game pixel. */
  scale: number;
  /** What the canvas shows, in game pixels. */
  view: { left: number; top: number; right: number; bottom: number };
}

export type Paint = (pen: Pen) => void;

export class CanvasOverlay extends L.Layer {
  readonly #canvas = document.createElement("canvas");
  #paint: Paint;
  #corner = L.latLng(0, 0);
  #zoom = 0;
  #frame = 0;

  constructor(paint: Paint) {
    super();
    this.#paint = paint;
  }

  /** Draw something else. */
  repaint(paint: Paint): void {
    this.#paint = paint;
    this.#later();
  }

  override onAdd(map: L.Map): this {
    this.#canvas.className = "leaflet-zoom-animated map-overlay";
    this.#canvas.setAttribute("aria-hidden", "true");
    map.getPane("overlayPane")?.append(this.#canvas);
    map.on("moveend zoomend viewreset resize", this.#later, this);
    map.on("zoomanim", this.#animate, this);
    this.#draw();
    return this;
  }

  override onRemove(map: L.Map): this {
    cancelAnimationFrame(this.#frame);
    map.off("moveend zoomend viewreset resize", this.#later, this);
    map.off("zoomanim", this.#animate, this);
    this.#canvas.remove();
    return this;
  }

  #later = (): void => {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  };

  #animate = (event: L.LeafletEvent): void => {
    const { center, zoom } = event as L.ZoomAnimEvent;
    const map = this._map;
    const pane = L.DomUtil.getPosition(map.getPane("mapPane") as HTMLElement);
    const origin = map.project(center, zoom).subtract(map.getSize().divideBy(2)).add(pane).round();
    const corner = map.project(this.#corner, zoom).subtract(origin);
    L.DomUtil.setTransform(this.#canvas, corner, map.getZoomScale(zoom, this.#zoom));
  };

  #draw(): void {
    const map = this._map as L.Map | null | undefined; // before it is added, and after it was removed
    if (!map) return;
    const size = map.getSize();
    const margin = size.multiplyBy(PADDING).round();
    const first = map.containerPointToLayerPoint(margin.multiplyBy(-1));
    const [width, height] = [size.x + 2 * margin.x, size.y + 2 * margin.y];
    const dense = window.devicePixelRatio || 1;
    this.#zoom = map.getZoom();
    this.#corner = map.layerPointToLatLng(first);
    L.DomUtil.setTransform(this.#canvas, first, 1);
    this.#canvas.width = width * dense;
    this.#canvas.height = height * dense;
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    context.scale(dense, dense);
    const last = map.layerPointToLatLng(first.add([width, height]));
    const scale = width / (last.lng - this.#corner.lng);
    const at = (x: number, y: number) => L.point((x - this.#corner.lng) * scale, (y - this.#corner.lat) * scale);
    this.#paint({
      context,
      at,
      scale,
      view: { left: this.#corner.lng, top: this.#corner.lat, right: last.lng, bottom: last.lat },
    });
  }
}
