/** Every block of a survey as a square, and what is known of the one that is chosen. */
import { SegmentedControl } from "@mantine/core";
import { type KeyboardEvent, useRef, useState } from "react";

import type { Block, Layer, Stand } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";

import { heatOf } from "./heat";

const LAYERS: readonly Layer[] = ["screenshots", "pair_offsets", "tiles"];
const KEY: readonly Stand[] = ["missing", "running", "done", "failed"];
const MOVES: Record<string, readonly [number, number]> = {
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
};

export function HeatMap({ blocks }: { blocks: readonly Block[] }) {
  const texts = useTexts();
  const [layer, setLayer] = useState<Layer | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const rows = [...Map.groupBy(blocks, (block) => block.row).values()];
  const cols = Math.max(...blocks.map((block) => block.col)) + 1;
  const open = blocks.find((block) => block.key === chosen) ?? null;
  const first = open ?? blocks[0];

  const move = (event: KeyboardEvent, from: Block) => {
    const step = MOVES[event.key];
    if (step === undefined) return;
    const to = blocks.find((block) => block.row === from.row + step[0] && block.col === from.col + step[1]);
    if (to === undefined) return;
    event.preventDefault();
    setChosen(to.key);
    grid.current?.querySelector<HTMLElement>(`[data-key="${to.key}"]`)?.focus();
  };
  return (
    <section className="card" aria-labelledby="heat-title">
      <div className="heat-head">
        <h2 id="heat-title">{texts.surveys.blocks}</h2>
        <SegmentedControl
          size="xs" aria-label={texts.surveys.showLayer} value={layer ?? "all"}
          onChange={(value) => setLayer(LAYERS.find((one) => one === value) ?? null)}
          data={[
            { value: "all", label: texts.surveys.allLayers },
            ...LAYERS.map((one) => ({ value: one, label: texts.layers[one] })),
          ]}
        />
      </div>
      <div
        ref={grid} className="heat" role="grid" aria-labelledby="heat-title"
        style={{ maxWidth: Math.min(560, Math.max(64, cols * 56)) }}
      >
        {rows.map((row) => (
          <div
            key={row[0]?.row} role="row" className="heat"
            style={{ gridTemplateColumns: `repeat(${cols}, minmax(0, 1fr))`, maxWidth: "none" }}
          >
            {row.map((block) => {
              const heat = heatOf(block, layer);
              const words = heat === "part1" || heat === "part2" ? texts.surveys.of(heat === "part1" ? 1 : 2, 3) : texts.surveys.stand[heat];
              return (
                <button
                  key={block.key} type="button" role="gridcell" data-key={block.key} data-stand={heat}
                  style={{ gridColumn: block.col + 1 }} title={`${block.key}: ${words}`}
                  aria-label={`${texts.surveys.block(block.key)}: ${words}`} aria-selected={block.key === chosen}
                  tabIndex={block === first ? 0 : -1} onClick={() => setChosen(block.key)}
                  onKeyDown={(event) => move(event, block)}
                />
              );
            })}
          </div>
        ))}
      </div>
      <p className="heat-key">
        {KEY.map((stand) => <span key={stand}><i data-stand={stand} />{texts.surveys.stand[stand]}</span>)}
      </p>
      {open === null ? <p className="small soft">{texts.surveys.blockHint}</p> : <BlockFacts block={open} />}
    </section>
  );
}

export function BlockFacts({ block }: { block: Block }) {
  const texts = useTexts();
  return (
    <div className="block-facts" aria-live="polite">
      <h3>{texts.surveys.block(block.key)} <span className="soft small">{texts.surveys.tiles(block.tiles)}</span></h3>
      {block.layers.map((one) => (
        <div key={one.layer} className="layer-line">
          <b>{texts.layers[one.layer]}</b>
          <span className={`badge ${one.state}`}>{texts.surveys.stand[one.state]}</span>
          {one.run_url !== null && <a href={one.run_url} target="_blank" rel="noreferrer">{texts.surveys.run}</a>}
          <a href={one.partition_url} target="_blank" rel="noreferrer">{texts.surveys.partition}</a>
          {one.reason !== null && <p className="fault small">{one.reason}</p>}
        </div>
      ))}
    </div>
  );
}
