/** One survey: how far it is, stage by stage and block by block, what failed, and what can be done about it. */
import "./surveys.css";

import { Button, Skeleton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { ask } from "@/shared/api/client";
import { type Live, useLive } from "@/shared/api/events";
import { surveyQuery } from "@/shared/api/queries";
import type { Job, Stage, SurveyDetail } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { isMissing, PageState, useDocumentTitle } from "@/shared/ui/State";
import { Withheld } from "@/shared/ui/Withheld";
import { dateOf, spanOf, titleOf } from "@/shared/ui/words";

import { BlockFacts, HeatMap } from "./HeatMap";

export default function SurveyPage({ survey: id }: { survey: string }) {
  const texts = useTexts();
  const { data: survey, error, dataUpdatedAt } = useQuery(surveyQuery(id));
  const live = useLive(id, survey === undefined ? null : { state: survey.state, at: dataUpdatedAt });
  useDocumentTitle(survey === undefined ? id : titleOf(texts, survey));
  if (isMissing(error)) {
    return (
      <PageState
        icon="lost" title={texts.missing.surveyTitle} text={texts.missing.survey(id)}
        acts={<Button component={Link} href="/surveys">{texts.missing.toSurveys}</Button>}
      />
    );
  }
  if (survey === undefined) return <div className="page"><Skeleton height={320} radius="md" /></div>;
  const { state, reason } = live ?? survey;
  const failed = [...(live?.blocks.values() ?? [])].filter((block) => block.layers.some((one) => one.state === "failed"));
  return (
    <div className="page">
      <Head survey={survey} state={state} />
      {reason !== null && <p className={state === "planned" ? "alert quiet" : "alert"} role="status">{reason}</p>}
      {survey.withheld !== null && <Withheld why={survey.withheld} />}
      {live?.trouble !== null && live?.trouble !== undefined && <p className="alert quiet" role="status">{live.trouble}</p>}
      <div className="survey-grid">
        <div>
          <Stages live={live} survey={survey} />
          {live !== null && live.blocks.size > 0 && <HeatMap blocks={[...live.blocks.values()]} />}
          {failed.length > 0 && (
            <section className="card">
              <h2>{texts.surveys.failedBlocks(failed.length)}</h2>
              {failed.map((block) => <BlockFacts key={block.key} block={block} />)}
            </section>
          )}
        </div>
        <div>
          <Facts survey={survey} />
          <DagsterLinks survey={survey} />
        </div>
      </div>
    </div>
  );
}

function Head({ survey, state }: { survey: SurveyDetail; state: SurveyDetail["state"] }) {
  const texts = useTexts();
  const queries = useQueryClient();
  const [asks, setAsks] = useState(false);
  const act = useMutation({
    mutationFn: (what: "cancel" | "retry") => ask<Job>(`/api/jobs/${survey.job_id ?? 0}/${what}`, { method: "POST" }),
    onSuccess: async () => {
      setAsks(false);
      await queries.invalidateQueries();
    },
  });
  const under = state === "planned" || state === "running";
  const ended = state === "failed" || state === "cancelled";
  return (
    <>
      <div className="page-head">
        <h1>{titleOf(texts, survey)}</h1>
        <span className={`badge ${state}`}>{texts.states[state]}</span>
        {survey.withheld !== null && <span className="badge warn">{texts.withheld.badge}</span>}
        {survey.revision !== null && (
          <Button component={Link} href={survey.links.map} leftSection={<Icon name="map" size={17} />}>{texts.surveys.openMap}</Button>
        )}
        {(survey.revision !== null || survey.withheld !== null) && (
          <Button component={Link} href={`/surveys/${encodeURIComponent(survey.id)}/trust`} variant="default" leftSection={<Icon name="shield" size={17} />}>
            {texts.surveys.trust}
          </Button>
        )}
        {under && survey.job_id !== null && (
          <Button variant="default" onClick={() => setAsks(true)} disabled={asks}>{texts.surveys.cancel}</Button>
        )}
        {ended && survey.job_id !== null && (
          <Button loading={act.isPending} onClick={() => act.mutate("retry")} title={texts.surveys.retryNote}>{texts.surveys.retry}</Button>
        )}
      </div>
      {asks && under && (
        <div className="card confirm" role="alertdialog" aria-label={texts.surveys.cancelTitle}>
          <h2>{texts.surveys.cancelTitle}</h2>
          <p className="soft">{texts.surveys.cancelText}</p>
          <div className="acts">
            <Button color="red.9" loading={act.isPending} onClick={() => act.mutate("cancel")}>{texts.surveys.cancel}</Button>
            <Button variant="default" autoFocus onClick={() => setAsks(false)}>{texts.surveys.keepRunning}</Button>
          </div>
        </div>
      )}
      {act.error !== null && <p className="alert" role="alert">{act.error.message}</p>}
      {(under || ended) && survey.job_id === null && <p className="alert quiet">{texts.surveys.noJob}</p>}
    </>
  );
}

function Stages({ live, survey }: { live: Live | null; survey: SurveyDetail }) {
  const texts = useTexts();
  const told = { push: texts.surveys.pushed, poll: texts.surveys.polled, over: texts.surveys.over };
  return (
    <section className="card" aria-labelledby="stages-title">
      <div className="heat-head">
        <h2 id="stages-title">{texts.surveys.stages}</h2>
        {live !== null && <span className={live.by === "push" ? "badge running" : "badge"} id="told-by">{told[live.by]}</span>}
      </div>
      <p className="big-line numbers">
        <b id="percent">{live?.progress ?? survey.progress} %</b>
        <span className="soft">{texts.surveys.tiles(Math.max(live?.tiles ?? 0, survey.tiles))}</span>
        <span className="soft">{texts.surveys.shots(survey.counts.shots_taken, survey.counts.shots_planned)}</span>
      </p>
      {live === null ? <Skeleton height={150} /> : (
        <div className="stages">{live.stages.map((stage) => <StageLine key={stage.layer} stage={stage} />)}</div>
      )}
    </section>
  );
}

function StageLine({ stage }: { stage: Stage }) {
  const texts = useTexts();
  const share = stage.total === 0 ? 0 : (100 * stage.done) / stage.total;
  return (
    <div className="stage" data-layer={stage.layer}>
      <span className="clip">{texts.layers[stage.layer]}</span>
      <div
        className={stage.state === "failed" ? "bar-line failed" : "bar-line"} role="progressbar" aria-label={texts.layers[stage.layer]}
        aria-valuemin={0} aria-valuemax={stage.total} aria-valuenow={stage.done}
      >
        <i style={{ width: `${stage.state === "failed" ? Math.max(share, 4) : share}%` }} />
      </div>
      <span className="numbers soft">
        {stage.state === "running" || stage.state === "failed" ? `${texts.surveys.stand[stage.state]} · ` : ""}
        {texts.surveys.of(stage.done, stage.total)}
      </span>
      {stage.reason !== null && <p className="fault">{stage.reason}</p>}
      {stage.run_id !== null && stage.run_url !== null && (
        <p className="stage-run">
          <a href={stage.run_url} target="_blank" rel="noreferrer">{texts.surveys.run} {stage.run_id.slice(0, 8)}</a>
        </p>
      )}
    </div>
  );
}

function Facts({ survey }: { survey: SurveyDetail }) {
  const texts = useTexts();
  const { thumbnail } = survey.links;
  const { areas_outside: outside, areas_holes: holes, shots_unsettled: unsettled } = survey.counts;
  return (
    <section className="card">
      {thumbnail !== null && (
        <Link href={survey.links.map} aria-label={texts.surveys.openMap}>
          <img className="cover thumb" src={`${thumbnail}?${survey.revision?.slice(0, 8) ?? ""}`} alt="" />
        </Link>
      )}
      <dl className="facts numbers" style={{ marginTop: thumbnail === null ? 0 : 14 }}>
        <dt>{texts.surveys.created}</dt><dd>{dateOf(texts, survey.created_at)}</dd>
        {survey.finished_at !== null && (
          <>
            <dt>{texts.surveys.finished}</dt>
            <dd>{dateOf(texts, survey.finished_at)}, {texts.surveys.took(spanOf(texts, survey.created_at, survey.finished_at))}</dd>
          </>
        )}
        <dt>{texts.surveys.grid}</dt><dd>{texts.surveys.areas(survey.grid.rows, survey.grid.cols)}</dd>
        {outside > 0 && <><dt>{texts.surveys.outside}</dt><dd id="areas-outside">{texts.surveys.outsideNote(outside)}</dd></>}
        {holes > 0 && <><dt>{texts.surveys.holes}</dt><dd id="areas-holes">{texts.surveys.holesNote(holes)}</dd></>}
        {unsettled > 0 && <><dt>{texts.surveys.unsettled}</dt><dd id="shots-unsettled">{texts.surveys.unsettledNote(unsettled)}</dd></>}
        <dt>{texts.surveys.view}</dt><dd>{survey.view.width_px} × {survey.view.height_px} px</dd>
        <dt>{texts.surveys.driver}</dt><dd>{survey.driver}</dd>
        <dt>{texts.surveys.carrier}</dt><dd>{texts.surveys.carriers[survey.carrier]}</dd>
        <dt>{texts.history.title}</dt>
        <dd><Link href={`/history/${encodeURIComponent(survey.game)}/${encodeURIComponent(survey.save)}`}>{survey.save}</Link></dd>
      </dl>
    </section>
  );
}

function DagsterLinks({ survey }: { survey: SurveyDetail }) {
  const texts = useTexts();
  const { dagster } = survey;
  return (
    <section className="card">
      <h2>{texts.surveys.dagster}</h2>
      <p className="note"><a href={dagster.runs_url} target="_blank" rel="noreferrer">{texts.surveys.runs}</a></p>
      {dagster.layers.map((one) => (
        <div key={one.layer} className="layer-line">
          <b>{texts.layers[one.layer]}</b>
          <a href={one.asset_url} target="_blank" rel="noreferrer">{texts.surveys.asset}</a>
          <a href={one.partition_url} target="_blank" rel="noreferrer">{texts.surveys.partition}</a>
        </div>
      ))}
    </section>
  );
}
