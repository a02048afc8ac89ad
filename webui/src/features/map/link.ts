/** What a link to a map holds: the survey, where the map is, and which overlays lie over it. */
import { type Camera, overlaysOf, spell } from "@/shared/map/camera";

export const OVERLAYS = ["grid", "blocks", "ambiguous", "markers"] as const;
export type OverlayName = (typeof OVERLAYS)[number];

const FIRST: readonly OverlayName[] = ["markers"];

/** Overlays that an address asks for; where it says nothing of them, those that a new visitor sees. */
export function overlaysIn(hash: string): readonly OverlayName[] {
  if (!new URLSearchParams(hash.replace(/^#/, "")).has("o")) return FIRST;
  const named = overlaysOf(hash);
  return OVERLAYS.filter((name) => named.includes(name));
}

/** Spell the address's hash; that no overlay is shown is said too. */
export function hashOf(camera: Camera, nativeZoom: number, overlays: readonly OverlayName[]): string {
  return `${spell(camera, nativeZoom)}&o=${overlays.join(",")}`;
}

/** Return where the map page shows a survey, whichever address led to it. */
export function pathOf(survey: string): string {
  return `/maps/${encodeURIComponent(survey)}`;
}
