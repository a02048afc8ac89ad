/** What may lie over the map: the grid, the blocks, and low-confidence shots. */
import { Skeleton, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { areasQuery, blocksQuery } from "@/shared/api/queries";
import type { MapFacts } from "@/shared/api/types";
import { CanvasOverlay, type Paint } from "@/shared/map/overlay";
import { paintAll, paintAmbiguous, paintBlocks, paintGrid } from "@/shared/map/paints";
import type { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Panel } from "@/shared/ui/Panel";

import { OVERLAYS, type OverlayName } from "./link";

/** Keep the canvas over the map at the chosen overlays. */
export function useOverlays(view: MapView | null, { survey, revision }: MapFacts, shown: readonly OverlayName[]): void {
  const wants = (name: OverlayName) => shown.includes(name);
  const areas = useQuery({ ...areasQuery(survey, revision), enabled: wants("grid") || wants("ambiguous") }).data;
  const blocks = useQuery({ ...blocksQuery(survey, revision), enabled: wants("blocks") }).data;
  const [canvas] = useState(() => new CanvasOverlay(() => undefined));
  const paints: Paint[] = [];
  if (areas?.placed && wants("grid")) paints.push(paintGrid(areas));
  if (areas?.placed && wants("ambiguous")) paints.push(paintAmbiguous(areas));
  if (blocks?.placed && wants("blocks")) paints.push(paintBlocks(blocks.blocks));
  const isUsed = paints.length > 0;

  useEffect(() => {
    canvas.repaint(paintAll(paints));
  });
  useEffect(() => {
    if (view === null || !isUsed) return undefined;
    canvas.addTo(view.map);
    return () => void canvas.remove();
  }, [view, canvas, isUsed]);
}

export function OverlaysPanel({ facts, shown, onChange, onClose }: {
  facts: MapFacts;
  shown: readonly OverlayName[];
  onChange: (names: readonly OverlayName[]) => void;
  onClose: () => void;
}) {
  const { map: { overlays: texts, tools } } = useTexts();
  const notes: Record<OverlayName, string> = {
    grid: texts.gridNote, blocks: texts.blocksNote, ambiguous: texts.ambiguousNote, markers: texts.markersNote,
  };
  return (
    <Panel title={tools.layers} onClose={onClose}>
      <div className="switches">
        {OVERLAYS.map((name) => (
          <Switch
            key={name} label={texts[name]} description={notes[name]} checked={shown.includes(name)}
            onChange={(event) =>
              onChange(event.currentTarget.checked ? [...shown, name] : shown.filter((other) => other !== name))
            }
          />
        ))}
      </div>
      {shown.includes("ambiguous") && <Legend facts={facts} />}
    </Panel>
  );
}

function Legend({ facts: { survey, revision } }: { facts: MapFacts }) {
  const { map: { overlays: texts } } = useTexts();
  const { data: areas } = useQuery(areasQuery(survey, revision));
  if (areas === undefined) return <Skeleton height={16} />;
  if (!areas.status.some((status) => areas.statuses[status] === "ambiguous")) {
    return <p className="small soft">{texts.noAmbiguous}</p>;
  }
  return <p className="legend">{texts.unsure}<i aria-hidden="true" />{texts.sure}</p>;
}
