/** The rail of tools at the map's edge. */
import { useClipboard, useFullscreenDocument } from "@mantine/hooks";

import type { Camera } from "@/shared/map/camera";
import type { MapView } from "@/shared/map/view";
import { type Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";
import { Icon, type IconName } from "@/shared/ui/Icon";

export type Tool = "layers" | "goTo" | "markers" | "measure" | "inspect";

const TOOLS: readonly [Tool, IconName][] = [
  ["layers", "layers"], ["markers", "pin"], ["inspect", "inspect"], ["measure", "ruler"], ["goTo", "target"],
];

export function Tools({ view, tool, onTool, camera }: {
  view: MapView;
  tool: Tool | null;
  onTool: (tool: Tool) => void;
  camera: Store<Camera | null>;
}) {
  const { map: { tools: texts } } = useTexts();
  const at = useStore(camera);
  const { fullscreen, toggle } = useFullscreenDocument();
  const clipboard = useClipboard({ timeout: 1500 });
  const { map } = view;
  return (
    <div className="tools" role="toolbar" aria-orientation="vertical" aria-label={texts.label}>
      <div className="group sheet">
        {TOOLS.map(([name, icon]) => (
          <Button key={name} name={texts[name]} icon={icon} isOn={tool === name} onClick={() => onTool(name)} />
        ))}
      </div>
      <div className="group sheet optional">
        <Button
          name={clipboard.copied ? texts.linkCopied : texts.link} icon={clipboard.copied ? "check" : "link"}
          onClick={() => clipboard.copy(window.location.href)}
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

function Button({ name, icon, onClick, isOn, isOff = false }: {
  name: string;
  icon: IconName;
  onClick: () => void;
  isOn?: boolean;
  isOff?: boolean;
}) {
  return (
    <button
      type="button" className="tool" title={name} aria-label={name} aria-pressed={isOn} onClick={onClick} disabled={isOff}
    >
      <Icon name={icon} />
    </button>
  );
}
