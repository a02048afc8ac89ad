/** The link to what is seen, to be taken by hand where the browser does not let the page copy it. */
import { TextInput } from "@mantine/core";

import type { Camera } from "@/shared/map/camera";
import { type Store, useStore } from "@/shared/store";
import { useTexts } from "@/shared/texts";
import { Panel } from "@/shared/ui/Panel";

export function LinkPanel({ camera, link, onClose }: { camera: Store<Camera | null>; link: () => string; onClose: () => void }) {
  const { map: { tools: texts } } = useTexts();
  useStore(camera); // drawn again as the map moves
  return (
    <Panel title={texts.link} onClose={onClose}>
      <TextInput
        label={texts.linkByHand} value={link()} readOnly autoFocus onFocus={(event) => event.currentTarget.select()}
      />
    </Panel>
  );
}
