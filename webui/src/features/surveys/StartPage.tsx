/** Start a survey: which game and save, how large a grid, and the driver's parameters. */
import "./surveys.css";

import { Button, NumberInput, Select, Skeleton, Switch, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link, useLocation } from "wouter";

import { ask, Refusal } from "@/shared/api/client";
import { driversQuery, gamesQuery, planQuery, savesQuery } from "@/shared/api/queries";
import type { Driver, Game, JobBegun, JobPlan, JobRequest, Save } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { PageState, useDocumentTitle } from "@/shared/ui/State";

import { type Field, fieldsOf, parametersOf, titleOf, type Written } from "./fields";
import { GridPreview } from "./GridPreview";

const SAVE = /^[a-z0-9_]{1,64}$/;
const MOST = 1000;
const SETTLED_MS = 250; // after the last key, before the server is asked for the grid's place
const FIRST_SAVE = "main";

export default function StartPage() {
  const texts = useTexts();
  useDocumentTitle(texts.form.title);
  const games = useQuery(gamesQuery()).data;
  const drivers = useQuery(driversQuery()).data;
  const saves = useQuery(savesQuery()).data;
  if (games === undefined || drivers === undefined || saves === undefined) {
    return <div className="page"><Skeleton height={420} radius="md" /></div>;
  }
  const first = games.find((game) => game.problem === null) ?? games[0];
  if (first === undefined) return <PageState icon="warn" title={texts.form.title} text={texts.form.noGames} />;
  return <Form games={games} drivers={drivers} saves={saves} first={first} />;
}

/** The saves of a game: those that have a map first, of each the one surveyed last. */
function savesOf(saves: readonly Save[], game: string): readonly string[] {
  return saves
    .filter((one) => one.game === game)
    .toSorted(
      (one, other) =>
        Number(other.latest !== null) - Number(one.latest !== null) ||
        other.newest.created_at.localeCompare(one.newest.created_at),
    )
    .map((one) => one.save);
}

/** Rows and columns as they are written: a field may be empty for a moment. */
interface WrittenSize {
  rows: number | "";
  cols: number | "";
}

const countOf = (value: number | string): number | "" => (value === "" ? "" : Number(value));

/** A name for one request. `crypto.randomUUID` is there only on pages that came by https. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function Form({ games, drivers, saves, first }: {
  games: readonly Game[];
  drivers: readonly Driver[];
  saves: readonly Save[];
  first: Game;
}) {
  const texts = useTexts();
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [id, setId] = useState(first.game_id);
  const [save, setSave] = useState(() => savesOf(saves, first.game_id)[0] ?? FIRST_SAVE);
  const [savegame, setSavegame] = useState<string | null>(null);
  const [size, setSize] = useState<WrittenSize | null>(null);
  const [written, setWritten] = useState<Written>({});
  const game = games.find((one) => one.game_id === id) ?? first;
  const driver = drivers.find((one) => one.name === game.driver) ?? null;
  const asked: WrittenSize | null = game.grid === null ? null : (size ?? game.grid);
  const grid = asked === null || asked.rows === "" || asked.cols === "" ? null : { rows: asked.rows, cols: asked.cols };
  const fields = driver === null ? [] : fieldsOf(driver, game.parameters);
  const { values, faults } = parametersOf(fields, written);
  const latest = saves.find((one) => one.game === id && one.save === save)?.latest ?? null;

  const request: JobRequest = {
    game_id: id, save_data_id: save, savegame,
    ...(size === null || grid === null ? {} : { grid }),
    ...(Object.keys(values).length === 0 ? {} : { parameters: values }),
  };
  const body = JSON.stringify(request);
  const isUnclear = !SAVE.test(save) || (asked !== null && grid === null) || faults.length > 0 || game.problem !== null;
  const [settled] = useDebouncedValue(isUnclear || asked === null ? null : body, SETTLED_MS);
  const plan = useQuery({
    ...planQuery(JSON.parse(settled ?? body) as JobRequest, latest?.revision ?? null),
    enabled: settled !== null, placeholderData: keepPreviousData,
  });

  // What is sent again after no answer came begins no second survey; what is filled in anew does.
  const sent = useRef({ body: "", key: "" });
  const begin = useMutation({
    mutationFn: () => {
      if (sent.current.body !== body) sent.current = { body, key: newKey() };
      return ask<JobBegun>("/api/jobs", { method: "POST", body: request, headers: { "idempotency-key": sent.current.key } });
    },
    onSuccess: (begun) => {
      navigate(`/surveys/${encodeURIComponent(begun.survey_id)}`);
      void queries.invalidateQueries();
    },
  });
  const delayed = begin.error instanceof Refusal && begin.error.code === "JOB_DELAYED" ? String(begin.error.details.survey_id) : null;
  const isWrong = isUnclear || delayed !== null;

  return (
    <div className="page">
      <div className="page-head"><h1>{texts.form.title}</h1></div>
      <div className="start">
        <form
          className="card" noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (!isWrong) begin.mutate();
          }}
        >
          <Select
            label={texts.form.game} description={texts.form.gameNote} value={id} allowDeselect={false}
            data={games.map((one) => ({ value: one.game_id, label: one.title ?? one.game_id }))}
            error={game.problem === null ? null : texts.form.problem(game.problem)}
            onChange={(value) => {
              setId(value ?? id);
              setSave(savesOf(saves, value ?? id)[0] ?? FIRST_SAVE);
              setSize(null);
              setWritten({});
              setSavegame(null);
            }}
          />
          <TextInput
            label={texts.form.save} description={texts.form.saveNote} value={save} list="saves"
            error={SAVE.test(save) ? null : texts.form.saveWrong}
            onChange={(event) => setSave(event.currentTarget.value)}
          />
          <datalist id="saves">{savesOf(saves, id).map((one) => <option key={one} value={one} />)}</datalist>
          {game.savegames.length > 0 && (
            <Select
              label={texts.form.savegame} placeholder={texts.form.savegameNone} data={game.savegames} value={savegame}
              clearable onChange={setSavegame}
            />
          )}
          {asked === null ? <p className="small soft">{texts.form.ownGrid}</p> : (
            <div>
              <div className="two">
                <NumberInput
                  label={texts.form.rows} value={asked.rows} min={1} max={MOST} clampBehavior="strict" allowDecimal={false}
                  onChange={(value) => setSize({ ...asked, rows: countOf(value) })}
                />
                <NumberInput
                  label={texts.form.cols} value={asked.cols} min={1} max={MOST} clampBehavior="strict" allowDecimal={false}
                  onChange={(value) => setSize({ ...asked, cols: countOf(value) })}
                />
              </div>
              {plan.data !== undefined && <p className="small soft numbers">{texts.form.estimate(plan.data.areas, plan.data.blocks)}</p>}
            </div>
          )}
          {fields.length > 0 && (
            <details>
              <summary>{texts.form.parameters}</summary>
              <div className="params">
                {fields.map((field) => (
                  <Input
                    key={`${id} ${field.name}`} field={field} value={written[field.name]} isWrong={faults.includes(field.name)}
                    onChange={(value) => setWritten({ ...written, [field.name]: value })}
                  />
                ))}
              </div>
            </details>
          )}
          {begin.error !== null && delayed === null && <p className="alert" role="alert">{begin.error.message}</p>}
          {delayed !== null && (
            <p className="alert quiet" role="status">
              {texts.form.delayed} <Link href={`/surveys/${encodeURIComponent(delayed)}`}>{texts.form.open}</Link>
            </p>
          )}
          <Button type="submit" size="md" loading={begin.isPending} disabled={isWrong}>{texts.form.submit}</Button>
        </form>
        <section className="card preview" aria-labelledby="preview-title">
          <h2 id="preview-title">{texts.form.preview}</h2>
          {latest === null && <p className="soft">{texts.form.noPreview}</p>}
          {latest !== null && asked === null && <p className="soft">{texts.form.noGridPreview}</p>}
          {plan.error !== null && <p className="fault" role="status">{plan.error.message}</p>}
          {plan.data !== undefined && asked !== null && <Planned plan={plan.data} latest={latest?.id ?? null} />}
        </section>
      </div>
    </div>
  );
}

/** Where the grid would lie, and how much of it the game has no map for. */
function Planned({ plan: { grid, areas, places }, latest }: { plan: JobPlan; latest: string | null }) {
  const { form: texts } = useTexts();
  const left = grid.rows * grid.cols - areas;
  return (
    <>
      {left > 0 && <p className="soft numbers">{texts.left(left)}</p>}
      {places === null && latest !== null && <p className="soft">{texts.unknown}</p>}
      {places !== null && places.survey === latest && <GridPreview places={places} />}
    </>
  );
}

function Input({ field, value, isWrong, onChange }: {
  field: Field;
  value: string | boolean | undefined;
  isWrong: boolean;
  onChange: (value: string | boolean) => void;
}) {
  const { form: texts } = useTexts();
  const label = titleOf(field.name);
  const text = typeof value === "string" ? value : "";
  switch (field.kind) {
    case "switch":
      return (
        <Switch
          label={label} description={field.note} checked={typeof value === "boolean" ? value : field.usual}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case "choice":
      return (
        <Select
          label={label} description={field.note} data={[...field.choices]} value={text === "" ? null : text} clearable
          placeholder={field.usual} onChange={(chosen) => onChange(chosen ?? "")}
        />
      );
    case "number":
    case "numbers":
    case "text": {
      const limits =
        field.kind === "number"
          ? [field.least === null ? null : texts.number.least(field.least), field.most === null ? null : texts.number.most(field.most)]
          : [];
      const told = [field.note, limits.filter((limit) => limit !== null).join(", ")].filter((part) => part !== "").join(" · ");
      return (
        <TextInput
          label={label} description={told} value={text} placeholder={field.usual === "" ? texts.byFile : field.usual}
          inputMode={field.kind === "number" ? "decimal" : "text"} error={isWrong}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    }
  }
}
