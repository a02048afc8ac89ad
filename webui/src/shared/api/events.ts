/** Live progress of one survey: pushed by the server, and asked for where pushing does not get through. */
import { useEffect, useState } from "react";

import { ask, part } from "./client";
import type { Block, BlockList, Job, Progress, Stage, SurveyDetail, SurveyState, Trouble } from "./types";

const POLL_MS = 3000;
const FINAL: readonly SurveyState[] = ["completed", "failed", "cancelled"];

export interface Live {
  state: SurveyState;
  reason: string | null;
  progress: number;
  tiles: number;
  stages: Stage[];
  blocks: ReadonlyMap<string, Block>;
  runsKnown: boolean;
  /** Why nothing newer is known, in the server's words. */
  trouble: string | null;
  /** How it is told: pushed, asked for every three seconds, or over. */
  by: "push" | "poll" | "over";
}

/** Put an event's blocks over those that are known. */
export function follow(before: Live | null, event: Progress): Live {
  const blocks = new Map(event.full ? [] : before?.blocks);
  for (const block of event.blocks) blocks.set(block.key, block);
  return {
    state: event.state,
    reason: event.reason,
    progress: event.progress,
    tiles: event.tiles,
    stages: event.stages,
    blocks,
    runsKnown: event.runs_known,
    trouble: null,
    by: FINAL.includes(event.state) ? "over" : "push",
  };
}

/** What polling tells: less than the events do, and later. */
function polled(before: Live | null, survey: SurveyDetail, job: Job | null, list: BlockList): Live {
  return {
    state: survey.state,
    reason: job?.reason ?? survey.reason,
    progress: job?.progress ?? survey.progress,
    tiles: job?.tiles_created ?? survey.tiles,
    stages: before?.stages ?? [],
    blocks: new Map(list.blocks.map((block) => [block.key, block])),
    runsKnown: list.runs_known,
    trouble: null,
    by: FINAL.includes(survey.state) ? "over" : "poll",
  };
}

async function poll(id: string): Promise<(before: Live | null) => Live> {
  const survey = await ask<SurveyDetail>(`/api/surveys/${part(id)}`);
  const [job, list] = await Promise.all([
    survey.job_id === null ? null : ask<Job>(`/api/jobs/${survey.job_id}/status`),
    ask<BlockList>(`/api/surveys/${part(id)}/blocks`),
  ]);
  return (before) => polled(before, survey, job, list);
}

/**
 * Follow a survey until it ends; null until something is known.
 *
 * @param round Another number begins anew: after a retry, the stream of the ended survey is over.
 */
export function useLive(id: string, round: number): Live | null {
  const [live, setLive] = useState<{ id: string; round: number; now: Live } | null>(null);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // The browser connects anew by itself, with the id of the last event that it has seen.
    const source = new EventSource(`/api/surveys/${part(id)}/events`);
    const tell = (next: (before: Live | null) => Live) =>
      setLive((before) => ({ id, round, now: next(before?.id === id && before.round === round ? before.now : null) }));
    const end = () => {
      over = true;
      source.close();
      clearTimeout(timer);
    };
    source.addEventListener("progress", (event) => {
      clearTimeout(timer);
      timer = undefined;
      const progress = JSON.parse(event.data as string) as Progress;
      tell((before) => follow(before, progress));
    });
    source.addEventListener("trouble", (event) => {
      const { message } = JSON.parse(event.data as string) as Trouble;
      setLive((before) => (before === null ? before : { ...before, now: { ...before.now, trouble: message } }));
    });
    source.addEventListener("end", () => end());
    const pollOn = async () => {
      try {
        const next = await poll(id);
        if (over || timer === undefined) return; // the stream is back
        tell(next);
      } catch {
        // The page's other questions say that the server is gone; this one is only asked again.
      }
      if (!over && timer !== undefined) timer = setTimeout(() => void pollOn(), POLL_MS);
    };
    source.addEventListener("error", () => {
      if (over || timer !== undefined) return;
      timer = setTimeout(() => void pollOn(), POLL_MS);
    });
    return end;
  }, [id, round]);
  return live?.id === id && live.round === round ? live.now : null;
}
