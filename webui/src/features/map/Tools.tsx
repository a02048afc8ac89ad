/** The rail of tools at the map's edge. */
import { useFullscreenDocument } from "@mantine/hooks";
import { useState } from "react";

import type { Camera } from "@/shared/map/camera";
import type { MapView } from "@/shared/map/view";
import { type Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";
import { Icon, type IconName } from "@/shared/ui/Icon";

export type Tool = "layers" | "goTo" | "markers" | "measure" | "inspect" | "link";

const COPIED_MS = 1500;

const TOOLS: readonly [Exclude<Tool, "link">, IconName][] = [
  ["layers", "layers"], ["markers", "pin"], ["inspect", "inspect"], ["measure", "ruler"], ["goTo", "target"],
];

export function Tools({ view, tool, onTool, camera, link }: {
  view: MapView;
  tool: Tool | null;
  onTool: (tool: Tool) => void;
  camera: Store<Camera | null>;
  /** Returns the address of what is seen. */
  link: () => string;
}) {
  const { map: { tools: texts } } = useTexts();
  const at = useStore(camera);
  const { fullscreen, toggle } = useFullscreenDocument();
  const [isCopied, setCopied] = useState(false);
  const copied = () => {
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  // a browser lends its clipboard only to pages that came by https, or from this very machine
  const copy = () => {
    if (window.isSecureContext) navigator.clipboard.writeText(link()).then(copied, () => onTool("link"));
    else onTool("link");
  };
  const { map } = view;
  return (
    <div className="tools" role="toolbar" aria-orientation="vertical" aria-label={texts.label}>
      <div className="group sheet">
        {TOOLS.map(([name, icon]) => (
          <Button key={name} tool={name} name={texts[name]} icon={icon} isOn={tool === name} onClick={() => onTool(name)} />
        ))}
      </div>
      <div className="group sheet optional">
        <Button
          tool="link" name={isCopied ? texts.linkCopied : texts.link} icon={isCopied ? "check" : "link"} onClick={copy}
        />
        <Button
          name={fullscreen ? texts.leaveFullscreen : texts.fullscreen} icon={fullscreen ? "shrink" : "expand"}
          onClick={() => void toggle()}
        />
      </div>
      <div className="group sheet optional">
        <Button name={texts.zoomIn} icon="plus" onClick={() => map.zoomIn()} isOff={at !== null && at.z >= map.getMaxZoom()} />
        <Button name={texts.zoomOut} icon="minus" onClick={() => map.zoomOut()} isOff={at !== null && at.z <= map.getMinZoom()} />
        <button
          type="button" className="tool" title={texts.native} aria-label={texts.native}
          onClick={() => map.setZoom(view.facts.frame.native_zoom)}
        >
          1:1
        </button>
        <Button name={texts.all} icon="all" onClick={() => view.fit()} />
      </div>
    </div>
  );
}

function Button({ tool, name, icon, onClick, isOn, isOff = false }: {
  tool?: Tool;
  name: string;
  icon: IconName;
  onClick: () => void;
  isOn?: boolean;
  isOff?: boolean;
}) {
  return (
    <button
      type="button" className="tool" title={name} aria-label={name} aria-pressed={isOn} onClick={onClick} disabled={isOff}
      data-tool={tool}
    >
      <Icon name={icon} />
    </button>
  );
}
