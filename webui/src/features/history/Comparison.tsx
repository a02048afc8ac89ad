/** Surveys of one frame, oldest first: two side by side under a divider, or each in its turn. */
import { ActionIcon, SegmentedControl, Select, Slider } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";

import type { ChangedPlace, Survey } from "@/shared/api/types";
import type { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { dateOf, numberOf } from "@/shared/ui/words";

import { Animation } from "./Animation";
import { ChangesList } from "./ChangesList";
import { CompareMap } from "./CompareMap";

const TURN_MS = 1200;
type Mode = "swipe" | "slider";

export function Comparison({ surveys, elsewhere, picker }: {
  surveys: readonly Survey[];
  elsewhere: number;
  picker: ReactNode;
}) {
  const all = useTexts();
  const texts = all.history;
  const newest = surveys.length - 1;
  const [mode, setMode] = useState<Mode>("swipe");
  const [pair, setPair] = useState(() => ({ before: surveys[newest - 1]?.id ?? "", after: surveys[newest]?.id ?? "" }));
  const [turn, setTurn] = useState(newest);
  const [plays, setPlays] = useState(false);
  const [place, setPlace] = useState<ChangedPlace | null>(null);
  const [view, setView] = useState<MapView | null>(null);
  useEffect(() => {
    if (!plays) return undefined;
    const timer = setInterval(() => setTurn((now) => (now >= newest ? 0 : now + 1)), TURN_MS);
    return () => clearInterval(timer);
  }, [plays, newest]);

  const labelOf = (survey: Survey) => `${numberOf(survey.id)} · ${dateOf(all, survey.finished_at ?? survey.created_at)}`;
  const options = surveys.toReversed().map((survey) => ({ value: survey.id, label: labelOf(survey) }));
  const shown = surveys[Math.min(turn, newest)] as Survey;
  const named = (id: string, place: number): Survey => surveys.find((survey) => survey.id === id) ?? (surveys[place] as Survey);
  const [before, after] = [named(pair.before, newest - 1), named(pair.after, newest)]; // one that was deleted leaves its place
  const choose = (change: Partial<typeof pair>) => {
    setPair({ before: before.id, after: after.id, ...change });
    setPlace(null);
  };
  const isSame = before.id === after.id;
  return (
    <div className="history">
      <aside className="history-side">
        <div>
          <h1>{texts.title}</h1>
          <p className="small soft">{texts.intro}</p>
        </div>
        <div className="fields">
          {picker}
          <SegmentedControl
            fullWidth aria-label={texts.modes.label} value={mode}
            onChange={(value) => {
              setMode(value);
              setPlays(false);
            }}
            data={[{ value: "swipe" as Mode, label: texts.modes.swipe }, { value: "slider" as Mode, label: texts.modes.slider }]}
          />
          {mode === "swipe" ? (
            <div className="swap-row">
              <Select
                label={texts.before} data={options} value={before.id} allowDeselect={false}
                onChange={(id) => id !== null && choose({ before: id })}
              />
              <ActionIcon
                variant="default" size={36} aria-label={texts.swap}
                onClick={() => choose({ before: after.id, after: before.id })}
              >
                <Icon name="swap" size={17} />
              </ActionIcon>
              <Select
                label={texts.after} data={options} value={after.id} allowDeselect={false}
                onChange={(id) => id !== null && choose({ after: id })}
              />
            </div>
          ) : (
            <>
              <div className="time">
                <ActionIcon variant="default" size={36} aria-label={plays ? texts.pause : texts.play} onClick={() => setPlays(!plays)}>
                  <Icon name={plays ? "pause" : "play"} size={17} />
                </ActionIcon>
                <Slider
                  min={0} max={newest} step={1} value={Math.min(turn, newest)} label={null}
                  marks={surveys.length <= 20 ? surveys.map((_, value) => ({ value })) : []}
                  thumbLabel={texts.slider} thumbProps={{ "aria-valuetext": labelOf(shown) }}
                  onChange={(value) => {
                    setPlays(false);
                    setTurn(value);
                  }}
                />
              </div>
              <p className="numbers" id="shown-survey">{labelOf(shown)}</p>
            </>
          )}
          {elsewhere > 0 && <p className="small soft">{texts.otherFrame(elsewhere)}</p>}
        </div>
        {mode === "swipe" && isSame && <p className="small soft" role="status">{texts.same}</p>}
        {mode === "swipe" && !isSame && (
          <ChangesList
            after={after} before={before} view={view} chosen={place}
            onChoose={(chosen) => {
              setPlace(chosen);
              view?.fly(chosen.bounds);
            }}
          />
        )}
        <Animation survey={shown} view={view} />
      </aside>
      <CompareMap
        before={mode === "swipe" ? before : null} after={mode === "swipe" ? after : shown}
        labelOf={labelOf} onView={setView}
      />
    </div>
  );
}
