/** Every block of a survey as a square, and what is known of the one that is chosen. */
import { SegmentedControl } from "@mantine/core";
import { type CSSProperties, type KeyboardEvent, memo, type MouseEvent, useRef, useState } from "react";

import type { Block, Layer, LayerState } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";

import { type Heat, heatOf, sizesOf } from "./heat";

const LAYERS: readonly Layer[] = ["screenshots", "pair_offsets", "tiles"];
const MOST_SQUARES = 10_000; // of a grid of 1000 x 1000 areas; a page with more would stand still
const KEY: readonly LayerState[] = ["missing", "running", "done", "failed"];
const MOVES: Record<string, readonly [number, number]> = {
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
};

export function HeatMap({ blocks }: { blocks: readonly Block[] }) {
  const texts = useTexts();
  const [layer, setLayer] = useState<Layer | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const open = blocks.find((block) => block.key === chosen) ?? null;
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
      {blocks.length > MOST_SQUARES ? <p className="small soft">{texts.surveys.tooMany(blocks.length)}</p> : (
        <>
          <Squares blocks={blocks} layer={layer} open={open} onChoose={setChosen} />
          <p className="heat-key">
            {KEY.map((stand) => <span key={stand}><i data-stand={stand} />{texts.surveys.stand[stand]}</span>)}
          </p>
          {open === null ? <p className="small soft">{texts.surveys.blockHint}</p> : <BlockFacts block={open} />}
        </>
      )}
    </section>
  );
}

function Squares({ blocks, layer, open, onChoose }: {
  blocks: readonly Block[];
  layer: Layer | null;
  open: Block | null;
  onChoose: (key: string) => void;
}) {
  const grid = useRef<HTMLDivElement>(null);
  const rows = [...Map.groupBy(blocks, (block) => block.row).values()];
  const cols = blocks.reduce((most, block) => Math.max(most, block.col + 1), 1);
  const { gap, least, most } = sizesOf(rows.length, cols);
  const first = open ?? blocks[0];

  const blockAt = (target: EventTarget) => {
    const key = target instanceof HTMLElement ? target.dataset.key : undefined;
    return blocks.find((block) => block.key === key);
  };
  const choose = (event: MouseEvent) => {
    const block = blockAt(event.target);
    if (block !== undefined) onChoose(block.key);
  };
  const move = (event: KeyboardEvent) => {
    const step = MOVES[event.key];
    const from = blockAt(event.target);
    if (step === undefined || from === undefined) return;
    const to = blocks.find((block) => block.row === from.row + step[0] && block.col === from.col + step[1]);
    if (to === undefined) return;
    event.preventDefault();
    onChoose(to.key);
    grid.current?.querySelector<HTMLElement>(`[data-key="${to.key}"]`)?.focus();
  };
  return (
    <div className="heat-frame">
      <div
        ref={grid} className="heat" role="grid" aria-labelledby="heat-title" onClick={choose} onKeyDown={move}
        style={{ "--gap": `${gap}px`, minWidth: least, maxWidth: most } as CSSProperties}
      >
        {rows.map((row) => (
          <div key={row[0]?.row} role="row" style={{ gridTemplateColumns: `repeat(${cols}, minmax(0, 1fr))` }}>
            {row.map((block) => (
              <Square
                key={block.key} name={block.key} col={block.col} heat={heatOf(block, layer)} isOpen={block === open}
                isFirst={block === first}
              />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** By itself, so that of thousands only those are drawn anew that have changed. */
const Square = memo(function Square({ name, col, heat, isOpen, isFirst }: {
  name: string;
  col: number;
  heat: Heat;
  isOpen: boolean;
  isFirst: boolean;
}) {
  const { surveys: texts } = useTexts();
  const words = heat === "part1" || heat === "part2" ? texts.of(heat === "part1" ? 1 : 2, 3) : texts.stand[heat];
  return (
    <button
      type="button" role="gridcell" data-key={name} data-stand={heat} style={{ gridColumn: col + 1 }}
      title={`${name}: ${words}`} aria-label={`${texts.block(name)}: ${words}`} aria-selected={isOpen}
      tabIndex={isFirst ? 0 : -1}
    />
  );
});

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
          {one.reason !== null && <p className="fault small">{one.reason}</p>}
        </div>
      ))}
    </div>
  );
}
