/** All surveys, newest first: how each stands, and where to go from it. */
import "./surveys.css";

import { Button, Select, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { savesQuery, surveysQuery } from "@/shared/api/queries";
import type { Survey, SurveyState } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { PageState, useDocumentTitle } from "@/shared/ui/State";
import { Thumb } from "@/shared/ui/Thumb";
import { dateOf, spanOf, titleOf } from "@/shared/ui/words";

const STATES: readonly SurveyState[] = ["planned", "running", "completed", "failed", "cancelled"];

interface Filter {
  game: string | null;
  state: SurveyState | null;
}

export default function SurveysPage() {
  const texts = useTexts();
  useDocumentTitle(texts.surveys.title);
  const [filter, setFilter] = useState<Filter>({ game: null, state: null });
  const [ends, setEnds] = useState<readonly (string | undefined)[]>([undefined]);
  const { data: saves } = useQuery(savesQuery());
  const choose = (change: Partial<Filter>) => {
    setFilter({ ...filter, ...change });
    setEnds([undefined]);
  };
  const isFiltered = filter.game !== null || filter.state !== null;
  if (saves?.length === 0) {
    return (
      <PageState
        icon="list" title={texts.surveys.noneTitle} text={texts.surveys.none}
        acts={<Button component={Link} href="/surveys/new">{texts.surveys.start}</Button>}
      />
    );
  }
  const games = [...new Set(saves?.map((save) => save.game))];
  return (
    <div className="page">
      <div className="page-head">
        <h1>{texts.surveys.title}</h1>
        <Button component={Link} href="/surveys/new" leftSection={<Icon name="plus" size={17} />}>{texts.surveys.start}</Button>
      </div>
      <div className="filters">
        <Select
          label={texts.surveys.filterGame} placeholder={texts.surveys.all} data={games} value={filter.game} clearable
          onChange={(game) => choose({ game })}
        />
        <Select
          label={texts.surveys.filterState} placeholder={texts.surveys.all} value={filter.state} clearable
          data={STATES.map((state) => ({ value: state, label: texts.states[state] }))}
          onChange={(state) => choose({ state })}
        />
      </div>
      {ends.map((after, place) => (
        <Part
          key={after ?? ""} filter={filter} after={after} isLast={place === ends.length - 1} isFirst={place === 0}
          onMore={(next) => setEnds([...ends, next])} onClear={isFiltered ? () => choose({ game: null, state: null }) : null}
        />
      ))}
    </div>
  );
}

/** One answer's worth of the list, so that each stays as fresh as the first. */
function Part({ filter, after, isFirst, isLast, onMore, onClear }: {
  filter: Filter;
  after: string | undefined;
  isFirst: boolean;
  isLast: boolean;
  onMore: (next: string) => void;
  onClear: (() => void) | null;
}) {
  const { surveys: texts } = useTexts();
  const { data } = useQuery(
    surveysQuery({
      ...(filter.game === null ? {} : { game: filter.game }),
      ...(filter.state === null ? {} : { state: filter.state }),
      ...(after === undefined ? {} : { after }),
    }),
  );
  if (data === undefined) return <Skeleton height={84} radius="md" />;
  if (isFirst && data.surveys.length === 0) {
    return (
      <PageState
        icon="lost" title={texts.noMatch} text=""
        acts={onClear === null ? null : <Button variant="default" onClick={onClear}>{texts.clear}</Button>}
      />
    );
  }
  const { next } = data;
  return (
    <>
      <ul className="survey-list">
        {data.surveys.map((survey) => <Row key={survey.id} survey={survey} />)}
      </ul>
      {isLast && next !== null && (
        <Button className="more" variant="default" onClick={() => onMore(next)}>{texts.more}</Button>
      )}
    </>
  );
}

function Row({ survey }: { survey: Survey }) {
  const texts = useTexts();
  const page = `/surveys/${encodeURIComponent(survey.id)}`;
  const under = survey.state === "planned" || survey.state === "running";
  return (
    <li className="survey-row">
      <Thumb survey={survey} />
      <div className="words">
        <h2 className="clip"><Link href={page}>{titleOf(texts, survey)}</Link></h2>
        <p className="meta numbers">
          <span className={`badge ${survey.state}`}>{texts.states[survey.state]}</span>
          <span>{texts.surveys.areas(survey.grid.rows, survey.grid.cols)}</span>
          <span>{texts.surveys.tiles(survey.tiles)}</span>
          <span>{dateOf(texts, survey.created_at)}</span>
          {survey.finished_at !== null && (
            <span>{texts.surveys.took(spanOf(texts, survey.created_at, survey.finished_at))}</span>
          )}
        </p>
        {under && <div className="bar-line"><i style={{ width: `${survey.progress}%` }} /></div>}
        {survey.reason !== null && <p className="reason">{survey.reason}</p>}
      </div>
      <div className="links">
        {survey.revision !== null && (
          <>
            <Button component={Link} href={survey.links.map} variant="light" size="xs">{texts.surveys.openMap}</Button>
            <Button component={Link} href={`${page}/trust`} variant="default" size="xs">{texts.surveys.trust}</Button>
          </>
        )}
        {survey.revision === null && (
          <Button component={Link} href={page} variant="light" size="xs">{texts.surveys.progress}</Button>
        )}
      </div>
    </li>
  );
}
