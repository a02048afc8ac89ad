/** The map of one frame, its tools, and the one panel that is open beside it. */
import { Button } from "@mantine/core";
import { useCallback, useEffect, useRef, useState } from "react";

import type { Marker, Rect, TileJson } from "@/shared/api/types";
import { type Camera, overlaysOf } from "@/shared/map/camera";
import { type Pixel, type ViewEvents } from "@/shared/map/view";
import { Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { State } from "@/shared/ui/State";

import { useAddress } from "./address";
import { GoTo } from "./GoTo";
import { LineagePanel } from "./LineagePanel";
import { MarkersPanel } from "./MarkersPanel";
import { MeasurePanel } from "./MeasurePanel";
import { isOverlay, OverlaysPanel, type OverlayName, useOverlays } from "./overlays";
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
  const [overlays, setNames] = useState<readonly OverlayName[]>(() => namesIn(window.location.hash));
  const setOverlays = useCallback((names: readonly string[]) => setNames(names.filter(isOverlay)), []);

  const events = useRef<ViewEvents>({});
  useEffect(() => {
    events.current = {
      onCamera: (position, scale) => camera.set({ ...position, scale }),
      onPointer: pointer.set,
      onBroken: (count) => setBroken(count),
      onClick: (pixel) => {
        if (tool === "inspect") setPlace(pixel);
        if (tool === "measure") setMeasured((before) => [...before, pixel]);
      },
    };
  }, [camera, pointer, tool]);
  const view = useMapView(element, tilejson, events);
  useAddress(view, camera, overlays, setOverlays);
  useOverlays(view, tilejson.imageflow.survey, overlays);
  const markers = useMarkers(view, tilejson.imageflow, {
    isShown: overlays.includes("markers") || tool === "markers",
    chosen: marker,
    onChoose: (chosen) => {
      setMarker(chosen);
      setTool("markers");
    },
  });

  const close = useCallback(() => {
    setTool(null);
    setPlace(null);
    setMeasured([]);
    setMarker(null);
    element.current?.focus();
  }, []);
  const choose = (chosen: Tool) => {
    close();
    if (chosen !== tool) setTool(chosen);
  };
  const aiming = tool === "inspect" || tool === "measure";

  return (
    <div className={aiming ? "map-page aiming" : "map-page"}>
      <div ref={element} className="map-ground" tabIndex={0} role="application" aria-label={texts.label} />
      {view !== null && (
        <>
          <Readout camera={camera} pointer={pointer} view={view} />
          <Tools view={view} tool={tool} onTool={choose} camera={camera} />
          <Outside camera={camera} bounds={tilejson.imageflow.bounds} seen={() => view.seen} onAll={() => view.fit()} />
          {tool !== null && (
            <div className="side">
              {tool === "layers" && (
                <OverlaysPanel survey={tilejson.imageflow.survey} shown={overlays} onChange={setOverlays} onClose={close} />
              )}
              {tool === "goTo" && <GoTo view={view} onClose={close} />}
              {tool === "markers" && (
                <MarkersPanel view={view} markers={markers} chosen={marker} onChoose={setMarker} onClose={close} />
              )}
              {tool === "measure" && <MeasurePanel view={view} points={measured} onChange={setMeasured} onClose={close} />}
              {tool === "inspect" && <LineagePanel view={view} place={place} onClose={close} />}
            </div>
          )}
        </>
      )}
      {broken > 0 && (
        <p className="note-bar sheet" role="status">
          <Icon name="warn" size={18} />
          {texts.broken(broken)}
        </p>
      )}
    </div>
  );
}

function namesIn(hash: string): readonly OverlayName[] {
  const names = overlaysOf(hash).filter(isOverlay);
  return hash.includes("o=") ? names : ["markers"];
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
