/** The history of a save: which surveys it has, and what is shown of two of them, or of all in turn. */
import "@/shared/map/map.css";
import "./history.css";

import { Button, Select, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Redirect, useLocation } from "wouter";

import { savesQuery, surveysOfSaveQuery } from "@/shared/api/queries";
import type { Save } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { PageState, useDocumentTitle } from "@/shared/ui/State";

import { Comparison } from "./Comparison";

export default function HistoryPage({ game, save }: { game: string | null; save: string | null }) {
  const texts = useTexts();
  useDocumentTitle(save === null ? texts.history.title : `${texts.history.title}: ${save}`);
  const { data } = useQuery(savesQuery());
  if (data === undefined) return <div className="page"><Skeleton height={360} radius="md" /></div>;
  const mapped = data.filter((one) => one.latest !== null);
  const named = save === null ? newestOf(mapped) : mapped.find((one) => one.game === game && one.save === save);
  if (named === undefined) {
    return (
      <PageState
        icon="clock" title={texts.history.noneTitle} text={texts.history.none}
        acts={
          mapped.length > 0
            ? <Button component={Link} href="/history">{texts.history.title}</Button>
            : <Button component={Link} href="/surveys/new">{texts.surveys.start}</Button>
        }
      />
    );
  }
  // an address that names the save: another one that is surveyed meanwhile does not take its place
  if (save === null) return <Redirect to={addressOf(named) + window.location.hash} replace />;
  return <OfSave key={addressOf(named)} saves={mapped} chosen={named} />;
}

/** A save with something to compare, where there is one; else the one that was surveyed last. */
function newestOf(saves: readonly Save[]): Save | undefined {
  const byTime = saves.toSorted((one, other) => other.newest.created_at.localeCompare(one.newest.created_at));
  return byTime.find((one) => one.surveys > 1) ?? byTime[0];
}

const addressOf = ({ game, save }: Save) => `/history/${encodeURIComponent(game)}/${encodeURIComponent(save)}`;

function OfSave({ saves, chosen }: { saves: readonly Save[]; chosen: Save }) {
  const texts = useTexts();
  const [, navigate] = useLocation();
  const { data } = useQuery(surveysOfSaveQuery(chosen.game, chosen.save));
  const picker = (
    <Select
      label={texts.history.save} value={addressOf(chosen)} allowDeselect={false}
      data={saves.map((one) => ({ value: addressOf(one), label: `${one.game} · ${one.save}` }))}
      onChange={(address) => address !== null && navigate(address)}
    />
  );
  if (data === undefined) return <div className="page"><Skeleton height={360} radius="md" /></div>;
  const published = data.surveys.filter((survey) => survey.revision !== null);
  const inFrame = published.filter((survey) => survey.frame_number === chosen.latest?.frame_number).toReversed();
  if (inFrame.length < 2) {
    return (
      <div className="page">
        <div className="page-head"><h1>{texts.history.title}</h1>{picker}</div>
        <PageState
          icon="clock" title={texts.history.oneTitle} text={texts.history.one}
          acts={<Button component={Link} href="/surveys/new">{texts.surveys.start}</Button>}
        >
          {published.length > inFrame.length && <p>{texts.history.otherFrame(published.length - inFrame.length)}</p>}
        </PageState>
      </div>
    );
  }
  return <Comparison surveys={inFrame} elsewhere={published.length - inFrame.length} picker={picker} />;
}
