/** Live progress of one survey: pushed by the server, and polled where pushing does not get through. */
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
  /** Why nothing newer is known, in the server's words. */
  trouble: string | null;
  /** How it arrives: pushed, polled every three seconds, or over. */
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
    trouble: null,
    by: FINAL.includes(event.state) ? "over" : "push",
  };
}

/** The result of polling: less than the events, and later. */
function polled(before: Live | null, survey: SurveyDetail, job: Job | null, list: BlockList): Live {
  return {
    state: survey.state,
    reason: job?.reason ?? survey.reason,
    progress: job?.progress ?? survey.progress,
    tiles: job?.tiles_created ?? survey.tiles,
    stages: before?.stages ?? [],
    blocks: new Map(list.blocks.map((block) => [block.key, block])),
    trouble: null,
    by: FINAL.includes(survey.state) ? "over" : "poll",
  };
}

async function poll(id: string): Promise<(before: Live | null) => Live> {
  const survey = await ask<SurveyDetail>(`/api/v1/surveys/${part(id)}`);
  const [job, list] = await Promise.all([
    survey.job_id === null ? null : ask<Job>(`/api/jobs/${survey.job_id}/status`),
    ask<BlockList>(`/api/v1/surveys/${part(id)}/blocks`),
  ]);
  return (before) => polled(before, survey, job, list);
}

type Tell = (next: (before: Live | null) => Live | null) => void;

/**
 * Follow a survey until it ends, by events where they get through and by asking where they do not.
 *
 * A hidden page follows nothing: a browser opens only six connections to a server for all its tabs.
 *
 * @returns What stops it.
 */
export function watch(id: string, tell: Tell): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
    timer = undefined;
  };
  const end = () => {
    stop();
    document.removeEventListener("visibilitychange", seen);
  };
  const open = () => {
    // The browser connects anew by itself, with the id of the last event that it has seen.
    source = new EventSource(`/api/v1/surveys/${part(id)}/events`);
    source.addEventListener("progress", (event) => {
      clearTimeout(timer);
      timer = undefined;
      const progress = JSON.parse(event.data as string) as Progress;
      tell((before) => follow(before, progress));
    });
    source.addEventListener("trouble", (event) => {
      const { message } = JSON.parse(event.data as string) as Trouble;
      tell((before) => (before === null ? null : { ...before, trouble: message }));
    });
    source.addEventListener("end", end);
    source.addEventListener("error", () => {
      timer ??= setTimeout(() => void look(), POLL_MS);
    });
  };
  const look = async () => {
    const mine = timer;
    try {
      const next = await poll(id);
      if (timer !== mine) return; // the stream is back, or the page is hidden
      tell(next);
      if (next(null).by === "over") {
        end();
        return;
      }
      // Any answer other than events has closed the stream for good; now the server answers again.
      if (source?.readyState === EventSource.CLOSED) open();
    } catch {
      // The page's other questions say that the server is gone; this one is only asked again.
    }
    if (timer === mine) timer = setTimeout(() => void look(), POLL_MS);
  };
  const seen = () => {
    if (document.hidden) stop();
    else if (source === null) open();
  };
  document.addEventListener("visibilitychange", seen);
  seen();
  return end;
}

/** A survey's state as requested by the page, and when the answer came (ms since 1970). */
export interface Asked {
  state: SurveyState;
  at: number;
}

/** Whether a survey whose stream has ended was taken up again since: by this page, another one, or the command line. */
export function wasTakenUp(live: Live, toldAt: number, asked: Asked): boolean {
  return live.by === "over" && asked.at > toldAt && !FINAL.includes(asked.state);
}

/** Follow a survey, and again whenever it is taken up again; null until something is known. */
export function useLive(id: string, asked: Asked | null): Live | null {
  const [round, setRound] = useState(0);
  const [told, setTold] = useState<{ id: string; round: number; now: Live | null; at: number } | null>(null);
  useEffect(
    () =>
      watch(id, (next) =>
        setTold((before) => ({
          id, round, now: next(before?.id === id && before.round === round ? before.now : null), at: Date.now(),
        })),
      ),
    [id, round],
  );
  const live = told?.id === id && told.round === round ? told.now : null;
  if (live !== null && told !== null && asked !== null && wasTakenUp(live, told.at, asked)) setRound(round + 1);
  return live;
}
