/** The map of one frame, its tools, and the one panel that is open beside it. */
import "./aim.css";

import { Button } from "@mantine/core";
import { type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";

import type { Marker, Rect, TileJson } from "@/shared/api/types";
import { BrokenTiles } from "@/shared/map/BrokenTiles";
import type { Camera } from "@/shared/map/camera";
import { type Pixel, type ViewEvents } from "@/shared/map/view";
import { Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";
import { State } from "@/shared/ui/State";

import { useAddress } from "./address";
import { GoTo } from "./GoTo";
import { LineagePanel } from "./LineagePanel";
import { hashOf, overlaysIn, pathOf } from "./link";
import { LinkPanel } from "./LinkPanel";
import { MarkersPanel } from "./MarkersPanel";
import { MeasurePanel } from "./MeasurePanel";
import { OverlaysPanel, useOverlays } from "./overlays";
import { Readout } from "./Readout";
import { Tools, type Tool } from "./Tools";
import { useMarkers } from "./useMarkers";
import { useMapView } from "./useMapView";

export function MapStage({ tilejson }: { tilejson: TileJson }) {
  const { map: texts } = useTexts();
  const element = useRef<HTMLDivElement>(null);
  const [camera] = useState(() => new Store<(Camera & { scale?: number }) | null>(null));
  const [pointer] = useState(() => new Store<Pixel | null>(null));
  const [broken, setBroken] = useState(0);
  const [tool, setTool] = useState<Tool | null>(null);
  const [place, setPlace] = useState<Pixel | null>(null);
  const [measured, setMeasured] = useState<readonly Pixel[]>([]);
  const [marker, setMarker] = useState<Marker | null>(null);
  const [overlays, setOverlays] = useState(() => overlaysIn(window.location.hash));
  const { survey, revision } = tilejson.imageflow;
  const page = useRef<HTMLDivElement>(null);

  const take = useCallback((pixel: Pixel) => {
    if (tool === "inspect") setPlace(pixel);
    if (tool === "measure") setMeasured((before) => [...before, pixel]);
  }, [tool]);

  const events = useRef<ViewEvents>({});
  useEffect(() => {
    events.current = {
      onCamera: (position, scale) => camera.set({ ...position, scale }),
      onPointer: pointer.set,
      onBroken: (count) => setBroken(count),
      onClick: take,
    };
  }, [camera, pointer, take]);
  const view = useMapView(element, tilejson, events);
  useAddress(view, camera, overlays, setOverlays);
  useOverlays(view, tilejson.imageflow, overlays);
  const markers = useMarkers(view, tilejson.imageflow, {
    isShown: overlays.includes("markers") || tool === "markers",
    chosen: marker,
    onChoose: (chosen) => {
      setMarker(chosen);
      setTool("markers");
    },
  });

  const clear = () => {
    setTool(null);
    setPlace(null);
    setMeasured([]);
    setMarker(null);
  };
  const close = () => {
    clear();
    page.current?.querySelector<HTMLElement>(`[data-tool="${tool ?? ""}"]`)?.focus();
  };
  const choose = (chosen: Tool) => {
    clear();
    if (chosen !== tool) setTool(chosen);
  };
  const aiming = tool === "inspect" || tool === "measure";
  const aim = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.target !== element.current || view === null) return;
    const { x, y } = view.camera;
    take({ x: Math.floor(x), y: Math.floor(y) });
  };
  const link = () =>
    view === null
      ? window.location.href
      : window.location.origin + pathOf(survey) + hashOf(view.camera, view.facts.frame.native_zoom, overlays);

  return (
    <div ref={page} className={aiming ? "map-page aiming" : "map-page"}>
      <div
        ref={element} className="map-ground" tabIndex={0} role="application" onKeyDown={aim}
        aria-label={aiming ? `${texts.label} ${texts.aim}` : texts.label}
      />
      {view !== null && (
        <>
          <Readout camera={camera} pointer={pointer} view={view} />
          <Tools view={view} tool={tool} onTool={choose} camera={camera} link={link} />
          <Outside camera={camera} bounds={tilejson.imageflow.bounds} seen={() => view.seen} onAll={() => view.fit()} />
          {tool !== null && (
            <div className="side">
              {tool === "layers" && (
                <OverlaysPanel facts={tilejson.imageflow} shown={overlays} onChange={setOverlays} onClose={close} />
              )}
              {tool === "goTo" && <GoTo view={view} onClose={close} />}
              {tool === "markers" && (
                <MarkersPanel view={view} markers={markers} chosen={marker} onChoose={setMarker} onClose={close} />
              )}
              {tool === "measure" && <MeasurePanel view={view} points={measured} onChange={setMeasured} onClose={close} />}
              {tool === "inspect" && <LineagePanel view={view} survey={survey} revision={revision} place={place} onClose={close} />}
              {tool === "link" && <LinkPanel camera={camera} link={link} onClose={close} />}
            </div>
          )}
        </>
      )}
      <BrokenTiles count={broken} words={texts.broken} />
    </div>
  );
}

/** A link may point where no map is, or one may wander off: then the screen says so. */
function Outside({ camera, bounds, seen, onAll }: {
  camera: Store<Camera | null>;
  bounds: Rect;
  seen: () => { left: number; top: number; right: number; bottom: number };
  onAll: () => void;
}) {
  const { map: texts } = useTexts();
  const at = useStore(camera);
  if (at === null) return null;
  const { left, top, right, bottom } = seen();
  const meets =
    left < bounds.x_px + bounds.width_px && right > bounds.x_px && top < bounds.y_px + bounds.height_px && bottom > bounds.y_px;
  if (meets) return null;
  return (
    <div className="middle sheet">
      <State
        icon="lost" title={texts.outsideTitle} text={texts.outside(Math.round(at.x), Math.round(at.y))}
        acts={<Button onClick={onAll}>{texts.showAll}</Button>}
      />
    </div>
  );
}
