/** Whether a survey is right: how many screenshots are anchored, whether loops close and seams agree, and the worst. */
import "./trust.css";

import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { Refusal } from "@/shared/api/client";
import { surveyQuery, trustQuery } from "@/shared/api/queries";
import type { Bin, Finding as Found, SurveyDetail, Trust, WorstShot } from "@/shared/api/types";
import { type Texts, useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { isMissing, PageState, useDocumentTitle } from "@/shared/ui/State";
import { Withheld } from "@/shared/ui/Withheld";
import { percentOf, titleOf } from "@/shared/ui/words";

import { spellFinding } from "./findings";

export default function TrustPage({ survey: id }: { survey: string }) {
  const texts = useTexts();
  const { data: survey, error: noSurvey } = useQuery(surveyQuery(id));
  const { data: trust, error } = useQuery({ ...trustQuery(id, survey?.revision ?? null), enabled: survey !== undefined });
  useDocumentTitle(`${texts.trust.title}: ${survey === undefined ? id : titleOf(texts, survey)}`);
  if (isMissing(noSurvey)) {
    return (
      <PageState
        icon="lost" title={texts.missing.surveyTitle} text={texts.missing.survey(id)}
        acts={<Button component={Link} href="/surveys">{texts.missing.toSurveys}</Button>}
      />
    );
  }
  if (error instanceof Refusal) {
    return (
      <PageState
        icon="clock" title={texts.trust.notPlacedTitle} text={error.message}
        acts={<Button component={Link} href={`/surveys/${encodeURIComponent(id)}`}>{texts.surveys.progress}</Button>}
      />
    );
  }
  if (survey === undefined || trust === undefined) {
    return <div className="page"><Skeleton height={360} radius="md" aria-label={texts.loading} /></div>;
  }
  return (
    <div className="page">
      <div className="page-head">
        <h1>{texts.trust.title}: {titleOf(texts, survey)}</h1>
        {survey.revision !== null && (
          <Button component={Link} href={survey.links.map} variant="default" leftSection={<Icon name="map" size={17} />}>{texts.surveys.openMap}</Button>
        )}
        <Button component={Link} href={`/surveys/${encodeURIComponent(id)}`} variant="default">{texts.surveys.progress}</Button>
      </div>
      {trust.withheld !== null && <Withheld why={trust.withheld} />}
      <div className="trust-top">
        <Share trust={trust} />
        <Findings trust={trust} />
      </div>
      <div className="two-cards">
        <Loops trust={trust} />
        <Seams trust={trust} />
      </div>
      {trust.worst.length > 0 && (
        <section className="card">
          <h2>{texts.trust.worst}</h2>
          <p className="note">{texts.trust.worstNote}</p>
          <ul className="worst">
            {trust.worst.map((shot) => <Worst key={`${shot.row},${shot.col}`} shot={shot} survey={survey} />)}
          </ul>
        </section>
      )}
    </div>
  );
}

function Share({ trust }: { trust: Trust }) {
  const all = useTexts();
  const texts = all.trust;
  const parts = [
    ["anchored", trust.anchored, texts.anchoredShort],
    ["ambiguous", trust.ambiguous, texts.ambiguous],
    ["unplaced", trust.unplaced, texts.unplaced],
  ] as const;
  return (
    <section className="card share numbers" aria-label={texts.anchored}>
      <b>{percentOf(all, trust.anchored_share)}</b>
      <p>{texts.anchored}, {texts.of(trust.screenshots)}</p>
      <div className="share-bar" aria-hidden="true">
        {parts.map(([name, count]) => (count > 0 ? <i key={name} className={name} style={{ flexGrow: count }} /> : null))}
      </div>
      <p className="share-key">
        {parts.map(([name, count, word]) => <span key={name} className={name}><i />{word} {all.n(count)}</span>)}
      </p>
      <p className="small soft">{texts.anchoredNote}</p>
      {trust.anchored > 1 && <Fidelity trust={trust} />}
    </section>
  );
}

/** How exactly screenshots are placed, and what lies over all of them, as options that leave it out. */
function Fidelity({ trust: { fidelity } }: { trust: Trust }) {
  const texts = useTexts().trust.fidelity;
  const { lossless, whole_pixels: whole, noise, largest_sigma_px: sigma, overlays } = fidelity;
  return (
    <>
      <p className="small fidelity">{lossless ? texts.lossless : whole ? texts.whole : texts.scaled}</p>
      {noise !== null && <p className="small soft">{texts.noise(Number(noise.toFixed(1)), Number(sigma.toFixed(2)))}</p>}
      {overlays.length > 0 && (
        <p className="small">
          {texts.overlays}{" "}
          <code>{overlays.map((rect) => `--mask ${rect.x_px},${rect.y_px},${rect.width_px},${rect.height_px}`).join(" ")}</code>
        </p>
      )}
    </>
  );
}

function Findings({ trust }: { trust: Trust }) {
  const { trust: texts } = useTexts();
  return (
    <section className="card">
      <h2>{texts.findings}</h2>
      <ul className="findings">
        {trust.findings.map((finding) => <Finding key={finding.name} finding={finding} />)}
      </ul>
    </section>
  );
}

function Finding({ finding }: { finding: Found }) {
  const all = useTexts();
  const { trust: texts, map: { lineage } } = all;
  const [open, setOpen] = useState(false);
  const { name, holds, severity, offenders_in_all: count } = finding;
  const { text, offenders } = spellFinding(all, finding);
  return (
    <li className="finding" data-name={name}>
      <span className={`badge ${holds ? "done" : severity}`}>{holds ? texts.holds : severity === "warn" ? texts.warn : texts.error}</span>
      <span>{text}</span>
      {offenders.length > 0 && (
        <button type="button" className="plain-button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? texts.hideOffenders : texts.showOffenders(count)}
        </button>
      )}
      {open && (
        <ul className="numbers">
          {offenders.map((offender) => <li key={offender}>{offender}</li>)}
          {count > offenders.length && <li>{lineage.more(count - offenders.length)}</li>}
        </ul>
      )}
    </li>
  );
}

function Loops({ trust: { loops } }: { trust: Trust }) {
  const all = useTexts();
  return (
    <section className="card">
      <h2>{all.trust.loops}</h2>
      <p className="note">{all.trust.loopsNote}</p>
      <p>{all.trust.loopsClosed(loops.closed, loops.closed + loops.open)}</p>
      {loops.open > 0 && <Bars title={all.trust.off} bins={loops.misclosures} label={(bin) => range(all, bin, (value) => `${all.n(value)} px`)} />}
    </section>
  );
}

function Seams({ trust: { seams, fidelity } }: { trust: Trust }) {
  const all = useTexts();
  const { mean_agreement: mean, worst_agreement: worst } = seams;
  return (
    <section className="card">
      <h2>{all.trust.seams}</h2>
      <p className="note">{fidelity.lossless ? all.trust.seamsNote : all.trust.seamsLossyNote}</p>
      {mean === null || worst === null ? <p>{all.trust.noSeams}</p> : (
        <>
          <p>{all.trust.seamsMean(percentOf(all, mean, 2), percentOf(all, worst, 1))}</p>
          <Bars title={all.trust.seams} bins={seams.agreements} label={(bin) => range(all, bin, (value) => percentOf(all, value, 1))} />
        </>
      )}
    </section>
  );
}

function range(all: Texts, bin: Bin, spell: (value: number) => string): string {
  if (bin.below === null || (bin.at_least === 1 && bin.below > 1)) return bin.at_least === 1 ? percentOf(all, 1) : `≥ ${spell(bin.at_least)}`;
  return `${spell(bin.at_least)} – ${spell(bin.below)}`;
}

function Bars({ title, bins, label }: { title: string; bins: readonly Bin[]; label: (bin: Bin) => string }) {
  const all = useTexts();
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  return (
    <div className="bars numbers" role="img" aria-label={`${title}: ${bins.map((bin) => `${label(bin)}: ${bin.count}`).join("; ")}`}>
      {bins.map((bin) => (
        <div key={bin.at_least}>
          <span className="soft">{label(bin)}</span>
          <span className="line"><i style={{ width: `${(100 * bin.count) / most}%` }} /></span>
          <span className="count">{all.n(bin.count)}</span>
        </div>
      ))}
    </div>
  );
}

function Worst({ shot, survey }: { shot: WorstShot; survey: SurveyDetail }) {
  const all = useTexts();
  const texts = all.trust;
  const { seam } = shot;
  const zoom = survey.frame?.native_zoom ?? 0;
  const middle = { x: shot.x + Math.round(survey.view.width_px / 2), y: shot.y + Math.round(survey.view.height_px / 2) };
  return (
    <li>
      <p className="worst-head numbers">
        <strong>{texts.own(shot.row, shot.col)}</strong>
        <span className={`badge ${shot.status}`}>{all.map.lineage.status[shot.status]}</span>
        <span className="soft">{all.map.lineage.sure(percentOf(all, shot.confidence))}</span>
        {survey.revision !== null && (
          <Link href={`${survey.links.map}#x=${middle.x}&y=${middle.y}&z=${zoom}&o=ambiguous,grid`}>{texts.show}</Link>
        )}
      </p>
      {seam === null ? <p className="small soft">{texts.alone}</p> : (
        <>
          <div className={seam.width > 2 * seam.height ? "pair wide" : "pair"}>
            <Side src={seam.own} alt={texts.own(shot.row, shot.col)} size={seam} />
            <Side src={seam.neighbour} alt={texts.neighbour(seam.row, seam.col)} size={seam} />
          </div>
          <p className="small soft">{seam.agreement === null ? texts.unverified : texts.agreement(percentOf(all, seam.agreement, 1))}</p>
        </>
      )}
    </li>
  );
}

function Side({ src, alt, size }: { src: string | null; alt: string; size: { width: number; height: number } }) {
  const { trust: texts } = useTexts();
  return (
    <figure>
      {src === null ? <span className="gone">{texts.deleted}</span> : (
        <img src={src} alt={alt} width={size.width} height={size.height} loading="lazy" />
      )}
      <figcaption>{alt}</figcaption>
    </figure>
  );
}
