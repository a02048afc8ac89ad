/** All surveys, newest first: how each stands, and where to go from it. */
import "./surveys.css";

import { Button, Select, Skeleton } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { savesQuery, surveyPagesQuery } from "@/shared/api/queries";
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

const ALL: Filter = { game: null, state: null };

export default function SurveysPage() {
  const texts = useTexts();
  useDocumentTitle(texts.surveys.title);
  const [filter, setFilter] = useState<Filter>(ALL);
  const { data: saves } = useQuery(savesQuery());
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
          onChange={(game) => setFilter({ ...filter, game })}
        />
        <Select
          label={texts.surveys.filterState} placeholder={texts.surveys.all} value={filter.state} clearable
          data={STATES.map((state) => ({ value: state, label: texts.states[state] }))}
          onChange={(state) => setFilter({ ...filter, state })}
        />
      </div>
      <Found filter={filter} onClear={isFiltered ? () => setFilter(ALL) : null} />
    </div>
  );
}

function Found({ filter, onClear }: { filter: Filter; onClear: (() => void) | null }) {
  const { surveys: texts } = useTexts();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(surveyPagesQuery(filter));
  if (data === undefined) return <Skeleton height={84} radius="md" />;
  const surveys = data.pages.flatMap((page) => page.surveys);
  if (surveys.length === 0) {
    return (
      <PageState
        icon="lost" title={texts.noMatch} text=""
        acts={onClear === null ? null : <Button variant="default" onClick={onClear}>{texts.clear}</Button>}
      />
    );
  }
  return (
    <>
      <ul className="survey-list">
        {surveys.map((survey) => <Row key={survey.id} survey={survey} />)}
      </ul>
      {hasNextPage && (
        <Button className="more" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {texts.more}
        </Button>
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
          {survey.withheld !== null && <span className="badge warn">{texts.withheld.badge}</span>}
          <span>{texts.surveys.areas(survey.grid.rows, survey.grid.cols)}</span>
          <span>{texts.surveys.tiles(survey.tiles)}</span>
          <span>{dateOf(texts, survey.created_at)}</span>
          {survey.finished_at !== null && (
            <span>{texts.surveys.took(spanOf(texts, survey.created_at, survey.finished_at))}</span>
          )}
        </p>
        {under && <div className="bar-line"><i style={{ width: `${survey.progress}%` }} /></div>}
        {survey.reason !== null && <p className={survey.state === "planned" ? "reason quiet" : "reason"}>{survey.reason}</p>}
        {survey.withheld !== null && <p className="reason quiet">{texts.withheld.why(survey.withheld)} {texts.withheld.next}</p>}
      </div>
      <div className="links">
        {survey.revision === null ? (
          <Button component={Link} href={page} variant="light" size="xs">{texts.surveys.progress}</Button>
        ) : (
          <Button component={Link} href={survey.links.map} variant="light" size="xs">{texts.surveys.openMap}</Button>
        )}
        {(survey.revision !== null || survey.withheld !== null) && (
          <Button component={Link} href={`${page}/trust`} variant="default" size="xs">{texts.surveys.trust}</Button>
        )}
      </div>
    </li>
  );
}
