/** The map page: the survey that the address names, or else the one published last. */
import "@/shared/map/map.css";
import "./map.css";

import { Button } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";

import { surveyQuery, surveysQuery, tilejsonQuery } from "@/shared/api/queries";
import type { SurveyDetail, TileJson } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { Command } from "@/shared/ui/Command";
import { isMissing, State } from "@/shared/ui/State";
import { titleOf } from "@/shared/ui/words";

import { MapStage } from "./MapStage";
import { OtherFrame } from "./OtherFrame";
import { Picker } from "./Picker";

const FIRST_SURVEY = "imageflow survey run --driver city --grid 6x6 --seed 7 --game city --save first";

export function MapPage({ survey }: { survey: string | null }) {
  // the map that is there stays until the chosen one is known, and so does its camera
  const tilejson = useQuery({ ...tilejsonQuery(survey), placeholderData: keepPreviousData });
  const surveys = useQuery(surveysQuery());
  const map = tilejson.data ?? null;
  const shown = survey ?? map?.imageflow.survey ?? surveys.data?.surveys[0]?.id ?? null;
  return (
    <div className="map-page">
      {map !== null && (
        <>
          <MapStage key={frameOf(map)} tilejson={map} />
          <OtherFrame tilejson={map} />
        </>
      )}
      {tilejson.data === null && <NoMap survey={shown} isEmpty={surveys.data?.surveys.length === 0} />}
      <Picker surveys={surveys.data?.surveys ?? []} current={shown} isThere={map !== null} />
    </div>
  );
}

/** Identifies a frame: places of one frame mean nothing in another. */
function frameOf({ imageflow: { game, save, frame } }: TileJson): string {
  return [game, save, frame.number, frame.native_zoom].join("/");
}

/** Why there is no map: no survey at all, none of this name, or one that is not there yet. */
function NoMap({ survey, isEmpty }: { survey: string | null; isEmpty: boolean }) {
  const { map: texts } = useTexts();
  if (survey !== null) return <Waiting id={survey} />;
  if (!isEmpty) return null;
  return (
    <Middle>
      <State
        icon="map" title={texts.noneTitle} text={texts.none}
        acts={<Button component={Link} href="/surveys/new">{texts.start}</Button>}
      >
        <p className="small">{texts.orCommand}</p>
        <Command text={FIRST_SURVEY} />
      </State>
    </Middle>
  );
}

function Waiting({ id }: { id: string }) {
  const { missing } = useTexts();
  const survey = useQuery(surveyQuery(id));
  if (isMissing(survey.error)) {
    return (
      <Middle>
        <State
          icon="lost" title={missing.surveyTitle} text={missing.survey(id)}
          acts={
            <>
              <Button component={Link} href="/">{missing.toMap}</Button>
              <Button component={Link} href="/surveys" variant="default">{missing.toSurveys}</Button>
            </>
          }
        />
      </Middle>
    );
  }
  return survey.data ? <Middle><Standing survey={survey.data} /></Middle> : null;
}

function Standing({ survey }: { survey: SurveyDetail }) {
  const texts = useTexts();
  if (survey.withheld !== null) {
    return (
      <State
        icon="warn" title={titleOf(texts, survey)} text={texts.withheld.why(survey.withheld)}
        acts={
          <Button component={Link} href={`/surveys/${encodeURIComponent(survey.id)}/trust`}>{texts.withheld.trust}</Button>
        }
      >
        <p className="small">{texts.withheld.next}</p>
      </State>
    );
  }
  const under = survey.state === "planned" || survey.state === "running";
  const { shots_taken: taken, shots_planned: planned, tiles_cut: tiles } = survey.counts;
  return (
    <State
      icon={survey.state === "failed" ? "warn" : "clock"} bad={survey.state === "failed"}
      title={titleOf(texts, survey)} text={survey.reason ?? texts.map.waiting[survey.state]}
      acts={
        <Button component={Link} href={`/surveys/${encodeURIComponent(survey.id)}`}>
          {under ? texts.map.watch : texts.map.why}
        </Button>
      }
    >
      {under && (
        <>
          <progress max={100} value={survey.progress} aria-label={texts.surveys.progress} />
          <p className="small numbers">
            {survey.progress} % · {texts.surveys.shots(taken, planned)} · {texts.surveys.tiles(tiles)}
          </p>
        </>
      )}
    </State>
  );
}

function Middle({ children }: { children: ReactNode }) {
  return <div className="middle sheet">{children}</div>;
}
