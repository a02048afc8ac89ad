/** Markers: find one, fly to it, name another place, change or delete one. */
import { Button, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ask, Refusal } from "@/shared/api/client";
import { markersAddress, markersQuery } from "@/shared/api/queries";
import type { Colour, Marker, MarkerIn } from "@/shared/api/types";
import type { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { Panel } from "@/shared/ui/Panel";

const COLOURS: readonly Colour[] = ["red", "orange", "yellow", "green", "teal", "blue", "violet", "grey"];
const AROUND_PX = 400; // of the map, shown around a marker

interface Given {
  view: MapView;
  markers: readonly Marker[];
  chosen: Marker | null;
  onChoose: (marker: Marker | null) => void;
  onClose: () => void;
}

export function MarkersPanel({ view, markers, chosen, onChoose, onClose }: Given) {
  const { map: { markers: texts, tools } } = useTexts();
  const [words, setWords] = useState("");
  const [draft, setDraft] = useState<MarkerIn | null>(null);
  if (draft !== null) {
    return (
      <Panel title={texts.add} onClose={() => setDraft(null)}>
        <MarkerForm view={view} draft={draft} marker={null} onDone={() => setDraft(null)} />
      </Panel>
    );
  }
  // what the list has now: its version is the one to be changed
  const open = chosen === null ? null : (markers.find((marker) => marker.id === chosen.id) ?? null);
  if (open !== null) {
    return (
      <Panel title={open.name} onClose={() => onChoose(null)}>
        <MarkerForm key={open.id} view={view} draft={open} marker={open} onDone={() => onChoose(null)} />
      </Panel>
    );
  }
  const found = markers.filter((marker) => marker.name.toLocaleLowerCase().includes(words.trim().toLocaleLowerCase()));
  const { number } = view.facts.frame;
  const choose = (marker: Marker) => {
    onChoose(marker);
    const half = AROUND_PX / 2;
    view.fly({ x_px: marker.x - half, y_px: marker.y - half, width_px: AROUND_PX, height_px: AROUND_PX });
  };
  return (
    <Panel title={tools.markers} onClose={onClose}>
      <div className="lines">
        <Button
          leftSection={<Icon name="plus" size={17} />}
          onClick={() => {
            const { x, y } = view.camera;
            const place = { x: Math.max(0, Math.floor(x)), y: Math.max(0, Math.floor(y)), frame_number: number };
            setDraft({ name: "", note: "", colour: "red", ...place });
          }}
        >
          {texts.add}
        </Button>
        <p className="small soft">{texts.addHint}</p>
      </div>
      {chosen !== null && <p className="small fault" role="alert">{texts.deleted(chosen.name)}</p>}
      {markers.length === 0 && <p className="small soft">{texts.none}</p>}
      {markers.length > 0 && (
        <TextInput
          type="search" aria-label={texts.search} placeholder={texts.search} value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
      )}
      {markers.length > 0 && found.length === 0 && <p className="small soft">{texts.noMatch(words)}</p>}
      <ul className="rows">
        {found.map((marker) => (
          <li key={marker.id}>
            <button type="button" className="row" disabled={marker.frame_number !== number} onClick={() => choose(marker)}>
              <span className="dot" data-colour={marker.colour} />
              <span className="words">
                <span className="clip">{marker.name}</span>
                <small className="numbers clip">
                  {marker.frame_number === number ? `${marker.x}, ${marker.y}` : texts.otherFrame}
                </small>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function MarkerForm({ view, draft, marker, onDone }: {
  view: MapView;
  draft: MarkerIn;
  marker: Marker | null;
  onDone: () => void;
}) {
  const all = useTexts();
  const texts = all.map.markers;
  const queries = useQueryClient();
  const [name, setName] = useState(draft.name);
  const [note, setNote] = useState(draft.note);
  const [colour, setColour] = useState<Colour>(draft.colour);
  const [asks, setAsks] = useState(false);
  const [read, setRead] = useState(marker?.etag ?? ""); // the version that the words were written over
  const { game, save } = view.facts;
  const address = markersAddress(game, save);
  const { queryKey } = markersQuery(game, save);
  const refresh = () => queries.invalidateQueries({ queryKey });
  const write = useMutation({
    mutationFn: async (method: "save" | "remove") => {
      if (marker === null) return ask(address, { method: "POST", body: { ...draft, name, note, colour } });
      const one = `${address}/${marker.id}`;
      const headers = { "if-match": read };
      if (method === "remove") return ask(one, { method: "DELETE", headers });
      return ask(one, { method: "PATCH", headers, body: { name, note, colour } });
    },
    onSuccess: () => {
      onDone();
      return refresh();
    },
    onError: async (error) => {
      if (!(error instanceof Refusal && (error.code === "OUTDATED" || error.isMissing))) return;
      await refresh(); // the panel says that a marker is gone
      const now = queries.getQueryData(queryKey)?.find((one) => one.id === marker?.id);
      if (now !== undefined) setRead(now.etag); // the change is shown now: to save again is a choice
    },
  });
  const told = write.error instanceof Refusal && write.error.code === "OUTDATED" ? texts.outdated : write.error?.message;
  return (
    <form
      className="lines" noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "") write.mutate("save");
      }}
    >
      <TextInput
        label={texts.name} value={name} maxLength={80} required autoFocus={marker === null}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Textarea
        label={texts.note} value={note} maxLength={2000} rows={3}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
      <fieldset className="plain">
        <legend className="small">{texts.colour}</legend>
        <div className="swatches">
          {COLOURS.map((one) => (
            <label key={one} title={texts.colours[one]} data-colour={one}>
              <input
                type="radio" name="colour" value={one} checked={one === colour} aria-label={texts.colours[one]}
                onChange={() => setColour(one)}
              />
              <span className="dot" />
            </label>
          ))}
        </div>
      </fieldset>
      <p className="small soft numbers">x {draft.x}, y {draft.y}</p>
      {told !== undefined && <p className="small fault" role="alert">{told}</p>}
      <div className="acts">
        <Button type="submit" loading={write.isPending} disabled={name.trim() === ""}>{all.save}</Button>
        {marker !== null && !asks && <Button variant="default" onClick={() => setAsks(true)}>{all.remove}</Button>}
        {marker !== null && asks && (
          <Button color="red.9" onClick={() => write.mutate("remove")}>{texts.confirmRemove(marker.name)}</Button>
        )}
        {marker === null && <Button variant="default" onClick={onDone}>{all.cancel}</Button>}
      </div>
    </form>
  );
}
