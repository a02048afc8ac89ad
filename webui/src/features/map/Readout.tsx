/** Where one is: the game pixel and tile under the pointer, or in the middle, and the scale. */
import type { Camera } from "@/shared/map/camera";
import type { MapView, Pixel } from "@/shared/map/view";
import { type Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";

export function Readout({ camera, pointer, view }: {
  camera: Store<(Camera & { scale?: number }) | null>;
  pointer: Store<Pixel | null>;
  view: MapView;
}) {
  const { map: texts } = useTexts();
  const at = useStore(camera);
  const under = useStore(pointer);
  if (at === null) return null;
  const { x, y } = under ?? { x: Math.floor(at.x), y: Math.floor(at.y) };
  const { frame, tile_px: side } = view.facts;
  const tile = `${frame.native_zoom}/${Math.floor(x / side)}/${Math.floor(y / side)}`;
  return (
    <footer className="readout sheet numbers">
      <output aria-label={texts.readout.pixel} aria-live="off" id="coordinates">x {x} y {y}</output>
      <output className="soft tile-name" aria-label={texts.readout.tile} aria-live="off" id="tile">{tile}</output>
      <output className="soft" aria-label={texts.readout.scale} aria-live="off" id="scale">{scaleOf(at.scale ?? 1)}</output>
    </footer>
  );
}

/** `2×` where a game pixel is two of the screen's, `1/8` where eight share one. */
export function scaleOf(screenPixels: number): string {
  const small = screenPixels < 1;
  const ratio = Number((small ? 1 / screenPixels : screenPixels).toPrecision(2));
  return small ? `1/${ratio}` : `${ratio}×`;
}
