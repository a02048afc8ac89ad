/** Go to a place by its game pixels, or by a link. */
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";

import { readPlace } from "@/shared/map/camera";
import type { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Panel } from "@/shared/ui/Panel";

export function GoTo({ view, onClose }: { view: MapView; onClose: () => void }) {
  const { map: texts } = useTexts();
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const go = () => {
    const place = readPlace(text);
    if (place === null) {
      setFault(texts.goTo.wrong);
      return;
    }
    const { x_px: left, y_px: top, width_px: width, height_px: height } = view.facts.bounds;
    if (place.x < left || place.y < top || place.x >= left + width || place.y >= top + height) {
      setFault(texts.goTo.outside);
      return;
    }
    setFault(null);
    view.go({ x: place.x, y: place.y, z: place.z ?? Math.max(view.camera.z, view.facts.frame.native_zoom) });
  };
  return (
    <Panel title={texts.tools.goTo} onClose={onClose}>
      <form
        className="lines" noValidate
        onSubmit={(event) => {
          event.preventDefault();
          go();
        }}
      >
        <TextInput
          label={texts.goTo.label} placeholder={texts.goTo.placeholder} value={text} error={fault} data-autofocus autoFocus
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button type="submit">{texts.goTo.go}</Button>
      </form>
    </Panel>
  );
}
