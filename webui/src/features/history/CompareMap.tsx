/** One map, or two under a divider that is dragged or moved by arrow keys. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import L from "leaflet";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";

import { tilejsonQuery } from "@/shared/api/queries";
import type { Survey, TileJson } from "@/shared/api/types";
import { BrokenTiles } from "@/shared/map/BrokenTiles";
import { type Camera, parse } from "@/shared/map/camera";
import { MapView, tileLayer } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";

const STEP = 2; // percent of the width that an arrow key moves the divider

export function CompareMap({ before, after, labelOf, onView }: {
  before: Survey | null;
  after: Survey;
  labelOf: (survey: Survey) => string;
  onView: (view: MapView | null) => void;
}) {
  const { map: { tools, label }, history: texts } = useTexts();
  const element = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<MapView | null>(null);
  const [at, setAt] = useState(50);
  const [broken, setBroken] = useState(0);
  // the last one stays until the next one is known: without any, the map would close
  const own = useQuery({ ...tilejsonQuery(after.id), placeholderData: keepPreviousData }).data;
  const earlier = useQuery({
    ...tilejsonQuery(before?.id ?? ""), enabled: before !== null, placeholderData: keepPreviousData,
  }).data;
  const other = before === null ? null : earlier;
  const first = useRef<TileJson | null>(null);
  const camera = useRef<Camera | null>(null);
  const isKnown = own !== undefined && own !== null;
  useEffect(() => {
    if (isKnown) first.current = own;
  });

  useEffect(() => {
    if (!isKnown || element.current === null || first.current === null) return undefined;
    const opened = new MapView(element.current, first.current, camera.current ?? parse(window.location.hash), {
      onBroken: setBroken,
    });
    const pane = opened.map.createPane("before");
    pane.style.zIndex = "250"; // over the tiles, under everything else
    setView(opened);
    onView(opened);
    return () => {
      camera.current = opened.camera;
      onView(null);
      setView(null);
      opened.close();
    };
  }, [isKnown, onView]);

  useEffect(() => {
    if (view === null || !own) return;
    const { survey, revision } = own.imageflow;
    if (survey !== view.facts.survey || revision !== view.facts.revision) view.show(own);
  }, [view, own]);
  useEffect(() => {
    if (view === null || !other) return undefined;
    const layer = view.watch(tileLayer(other, view.map.getMinZoom(), "before")).addTo(view.map);
    return () => void layer.remove();
  }, [view, other]);
  useClip(view, before === null ? null : at);

  return (
    <div className="history-map">
      <div ref={element} className="map-ground" tabIndex={0} role="application" aria-label={label} />
      {before !== null && (
        <>
          <span className="side-name left clip">{labelOf(before)}</span>
          <span className="side-name right clip">{labelOf(after)}</span>
          <Divider at={at} onMove={setAt} />
        </>
      )}
      <BrokenTiles count={broken} words={texts.broken} />
      {view !== null && (
        <div className="zooms sheet">
          <button type="button" aria-label={tools.zoomIn} title={tools.zoomIn} onClick={() => view.map.zoomIn()}><Icon name="plus" /></button>
          <button type="button" aria-label={tools.zoomOut} title={tools.zoomOut} onClick={() => view.map.zoomOut()}><Icon name="minus" /></button>
          <button type="button" aria-label={tools.all} title={tools.all} onClick={() => view.fit()}><Icon name="all" /></button>
        </div>
      )}
    </div>
  );
}

/** Show left of the divider the earlier survey alone, and right of it the later one alone. */
function useClip(view: MapView | null, at: number | null): void {
  useEffect(() => {
    if (view === null || at === null) return undefined;
    const { map } = view;
    const [before, after] = [map.getPane("before"), map.getPane("tilePane")];
    const clip = () => {
      const { x: width, y: height } = map.getSize();
      const { x: left, y: top } = map.containerPointToLayerPoint(L.point(0, 0));
      const middle = left + (width * at) / 100;
      const between = (from: number, to: number) =>
        `polygon(${from}px ${top}px, ${to}px ${top}px, ${to}px ${top + height}px, ${from}px ${top + height}px)`;
      if (before) before.style.clipPath = between(left, middle);
      if (after) after.style.clipPath = between(middle, left + width);
    };
    clip();
    map.on("move resize", clip);
    return () => {
      map.off("move resize", clip);
      if (after) after.style.clipPath = "";
    };
  }, [view, at]);
}

function Divider({ at, onMove }: { at: number; onMove: (at: number) => void }) {
  const { history: texts } = useTexts();
  const within = (value: number) => Math.min(100, Math.max(0, value));
  const drag = (event: PointerEvent<HTMLButtonElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box) onMove(within((100 * (event.clientX - box.left)) / box.width));
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -100, End: 100 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    onMove(within(at + step));
  };
  return (
    <button
      type="button" className="swipe" role="slider" style={{ left: `${at}%` }} aria-label={texts.divider}
      aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(at)} aria-orientation="horizontal"
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove={drag} onKeyDown={press}
    >
      <span><Icon name="swap" size={18} /></span>
    </button>
  );
}
