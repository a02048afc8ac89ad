/** The address after its hash: where the map is and which overlays lie over it, kept as the map moves. */
import { type RefObject, useEffect, useRef } from "react";

import { type Camera, parse } from "@/shared/map/camera";
import type { Store } from "@/shared/store";
import type { MapView } from "@/shared/map/view";

import { hashOf, type OverlayName, overlaysIn } from "./link";

const AFTER_MS = 150; // browsers refuse a page that changes its address too often

export function useAddress(
  view: MapView | null,
  camera: Store<Camera | null>,
  overlays: readonly OverlayName[],
  setOverlays: (names: readonly OverlayName[]) => void,
): void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const shown: RefObject<readonly OverlayName[]> = useRef(overlays);
  useEffect(() => {
    shown.current = overlays;
  });
  useEffect(() => {
    if (view === null) return undefined;
    const note = () => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => {
        const hash = hashOf(view.camera, view.facts.frame.native_zoom, shown.current);
        window.history.replaceState(window.history.state, "", window.location.pathname + hash);
      }, AFTER_MS);
    };
    const follow = (hash: string) => {
      const position = parse(hash);
      if (position === null) return;
      clearTimeout(timer.current);
      setOverlays(overlaysIn(hash));
      view.go(position);
    };
    // The event's own address: a late note of where the map was may have replaced the page's by now.
    const changed = (event: HashChangeEvent) => follow(new URL(event.newURL).hash);
    const back = () => follow(window.location.hash);
    note();
    const stop = camera.subscribe(note);
    window.addEventListener("hashchange", changed);
    window.addEventListener("popstate", back);
    return () => {
      clearTimeout(timer.current);
      stop();
      window.removeEventListener("hashchange", changed);
      window.removeEventListener("popstate", back);
    };
  }, [view, camera, setOverlays]);
  useEffect(() => {
    const now = camera.get();
    if (now !== null) camera.set({ ...now }); // the overlays changed: the address is noted anew
  }, [camera, overlays]);
}
