/** What the map shows at a point, and what that was made from. */
import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import L from "leaflet";
import { useEffect, useState } from "react";

import { Refusal } from "@/shared/api/client";
import { lineageQuery } from "@/shared/api/queries";
import type { Lineage, Shot } from "@/shared/api/types";
import { colourOf } from "@/shared/map/confidence";
import { boundsOf, type MapView, type Pixel } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Panel } from "@/shared/ui/Panel";
import { dateOf, percentOf } from "@/shared/ui/words";

const MOST_OFFSETS = 8;

interface Given {
  view: MapView;
  survey: string;
  revision: string;
}

export function LineagePanel({ place, onClose, ...shown }: Given & { place: Pixel | null; onClose: () => void }) {
  const { map: { lineage: texts, tools } } = useTexts();
  return (
    <Panel title={place === null ? tools.inspect : texts.place(place.x, place.y)} onClose={onClose}>
      {place === null ? <p className="small soft">{texts.hint}</p> : <Found {...shown} place={place} />}
    </Panel>
  );
}

function Found({ view, survey, revision, place }: Given & { place: Pixel }) {
  const { map: { lineage: texts } } = useTexts();
  const { data, error } = useQuery(lineageQuery(survey, revision, place.x, place.y));
  const [pointed, setPointed] = useState<string | null>(null);
  useOutlines(view, place, data, pointed);
  if (error !== null) {
    return <p className="small soft" role="status">{isOutside(error) ? texts.outside : error.message}</p>;
  }
  return data === undefined ? <Loader size="sm" /> : <Facts lineage={data} onPoint={setPointed} />;
}

function isOutside(error: Error): boolean {
  return error instanceof Refusal && error.code === "INVALID_INPUT";
}

const keyOf = ({ row, col }: { row: number; col: number }) => `${row},${col}`;

/** The point, its tile, and the outlines of the screenshots under it; the one that is pointed at stands out. */
function useOutlines(view: MapView, place: Pixel, lineage: Lineage | undefined, pointed: string | null): void {
  useEffect(() => {
    const group = L.layerGroup().addTo(view.map);
    for (const shot of lineage?.screenshots ?? []) {
      const isPointed = keyOf(shot) === pointed;
      const colour = shot.status === "anchored" ? "#38d39f" : colourOf(shot.confidence);
      L.rectangle(boundsOf(shot.bounds), {
        color: colour, weight: isPointed ? 4 : 2, fillOpacity: isPointed ? 0.22 : 0.05, interactive: false,
        className: "shot-outline",
      }).addTo(group);
    }
    if (lineage) {
      L.rectangle(boundsOf(lineage.tile.bounds), { color: "#fff", weight: 1, dashArray: "4 4", fill: false, interactive: false })
        .addTo(group);
    }
    L.circleMarker([place.y + 0.5, place.x + 0.5], { radius: 6, color: "#fff", weight: 3, fillColor: "#14705a", fillOpacity: 1 })
      .addTo(group);
    return () => void group.remove();
  }, [view, place, lineage, pointed]);
}

function Facts({ lineage, onPoint }: { lineage: Lineage; onPoint: (key: string | null) => void }) {
  const all = useTexts();
  const texts = all.map.lineage;
  const { tile, screenshots, offsets, made_by: made } = lineage;
  return (
    <>
      <section>
        <h3>{texts.tile}</h3>
        <p className="small numbers">
          {tile.url === null ? `${tile.z}/${tile.x}/${tile.y}` : (
            <a href={tile.url} target="_blank" rel="noreferrer">{tile.z}/{tile.x}/{tile.y}</a>
          )}
          {tile.survey !== null && tile.survey !== lineage.survey && <> · {texts.from(tile.survey)}</>}
        </p>
        {tile.digest !== null && <p className="digest">{tile.digest}</p>}
      </section>
      <section>
        <h3>{texts.shots}</h3>
        {screenshots.length === 0 && <p className="small soft">{texts.nothing}</p>}
        <ul className="rows">
          {screenshots.map((shot) => (
            <li key={keyOf(shot)} className="shot" onPointerEnter={() => onPoint(keyOf(shot))} onPointerLeave={() => onPoint(null)}>
              <ShotFacts shot={shot} />
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3>{texts.offsets}</h3>
        {offsets.length === 0 && <p className="small soft">{texts.noOffsets}</p>}
        <ul className="lines numbers">
          {offsets.slice(0, MOST_OFFSETS).map((one) => (
            <li key={`${keyOf(one)}-${one.other_row},${one.other_col}`}>
              <span>{one.row}/{one.col} → {one.other_row}/{one.other_col}</span>
              <b>{texts.offset(Number(one.dx.toFixed(2)), Number(one.dy.toFixed(2)))}</b>
              <span className="soft">{texts.agreement(percentOf(all, one.agreement, 1), one.votes)}</span>
            </li>
          ))}
        </ul>
        {offsets.length > MOST_OFFSETS && <p className="small soft">{texts.more(offsets.length - MOST_OFFSETS)}</p>}
      </section>
      <section>
        <h3>{texts.made}</h3>
        <ul className="lines">
          {made.map((one) => (
            <li key={`${one.survey} ${one.layer} ${one.block ?? ""}`}>
              <b>{all.layers[one.layer]}</b>
              <span className="soft">{dateOf(all, one.at)}</span>
              {one.run_url !== null && <a href={one.run_url} target="_blank" rel="noreferrer">{texts.run}</a>}
              <a href={one.partition_url} target="_blank" rel="noreferrer">{texts.partition}</a>
              {one.code_version !== null && <span className="digest">{texts.code(one.code_version.slice(0, 12))}</span>}
            </li>
          ))}
        </ul>
        {!lineage.versions_known && <p className="small soft">{texts.noDagster}</p>}
      </section>
    </>
  );
}

function ShotFacts({ shot }: { shot: Shot }) {
  const all = useTexts();
  const texts = all.map.lineage;
  return (
    <>
      {shot.thumbnail !== null && shot.picture !== null ? (
        <a href={shot.picture} target="_blank" rel="noreferrer">
          <img className="thumb" src={shot.thumbnail} alt={texts.row(shot.row, shot.col)} loading="lazy" />
        </a>
      ) : (
        <span className="thumb" aria-hidden="true" />
      )}
      <span className="words">
        <strong>{texts.row(shot.row, shot.col)}</strong>
        <span className="numbers soft">x {shot.bounds.x_px}, y {shot.bounds.y_px}</span>
        <span>
          <span className={`badge ${shot.status}`}>{texts.status[shot.status]}</span>{" "}
          <span className="soft numbers">{texts.sure(percentOf(all, shot.confidence))}{shot.sigma_px > 0 && texts.sigma(Number(shot.sigma_px.toFixed(2)))}</span>
        </span>
        {!shot.kept && <span className="small soft">{texts.deleted}</span>}
      </span>
    </>
  );
}
