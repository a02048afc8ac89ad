/** What pages ask for, each under one key. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { ask, part, query, Refusal } from "./client";
import type {
  Areas, BlockList, Changes, Driver, Game, JobPlan, JobRequest, Lineage, Marker, Save, Survey, SurveyDetail, SurveyList,
  TileJson, Trust,
} from "./types";

const LIVE_MS = 3000;

const PAGE = 50;

export const surveysQuery = () =>
  queryOptions({
    queryKey: ["surveys"],
    queryFn: ({ signal }) => ask<SurveyList>(`/api/v1/surveys${query({ limit: PAGE })}`, { signal }),
    refetchInterval: LIVE_MS,
  });

/** Surveys newest first, page by page: all shown pages are requested together, and so lose none between them. */
export const surveyPagesQuery = (filter: { game: string | null; state: string | null }) =>
  infiniteQueryOptions({
    queryKey: ["surveys", "pages", filter],
    queryFn: ({ signal, pageParam: after }) =>
      ask<SurveyList>(`/api/v1/surveys${query({ limit: PAGE, after, ...filter })}`, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    refetchInterval: LIVE_MS,
  });

/** Every survey of a save, newest first. */
export const surveysOfSaveQuery = (game: string, save: string) =>
  queryOptions({
    queryKey: ["surveys", "of", game, save],
    queryFn: ({ signal }) => ask<SurveyList>(`/api/v1/surveys${query({ game, save, limit: 1000 })}`, { signal }),
    refetchInterval: LIVE_MS,
  });

export const savesQuery = () =>
  queryOptions({
    queryKey: ["saves"],
    queryFn: async ({ signal }) => (await ask<{ saves: Save[] }>("/api/v1/saves", { signal })).saves,
    refetchInterval: LIVE_MS,
  });

export const surveyQuery = (id: string) =>
  queryOptions({
    queryKey: ["survey", id],
    queryFn: ({ signal }) => ask<SurveyDetail>(`/api/v1/surveys/${part(id)}`, { signal }),
    refetchInterval: LIVE_MS,
  });

/** The map of a survey, or the one published last; null where there is none. */
export const tilejsonQuery = (id: string | null) =>
  queryOptions({
    queryKey: ["tilejson", id],
    queryFn: async ({ signal }) => {
      try {
        return await ask<TileJson>(id === null ? "/tiles/tilejson.json" : `/tiles/${part(id)}/tilejson.json`, { signal });
      } catch (error) {
        if (error instanceof Refusal && (error.isMissing || error.code === "NOT_READY")) return null;
        throw error;
      }
    },
    refetchInterval: LIVE_MS,
  });

export const areasQuery = (id: string, revision: string | null) =>
  queryOptions({
    queryKey: ["areas", id, revision],
    queryFn: ({ signal }) => ask<Areas>(`/api/v1/surveys/${part(id)}/areas`, { signal }),
    staleTime: 60_000,
  });

export const blocksQuery = (id: string, revision: string) =>
  queryOptions({
    queryKey: ["blocks", id, revision],
    queryFn: ({ signal }) => ask<BlockList>(`/api/v1/surveys/${part(id)}/blocks`, { signal }),
    staleTime: 5_000,
  });

export const lineageQuery = (id: string, revision: string, x: number, y: number) =>
  queryOptions({
    queryKey: ["lineage", id, revision, x, y],
    queryFn: ({ signal }) => ask<Lineage>(`/api/v1/surveys/${part(id)}/lineage${query({ x, y })}`, { signal }),
    staleTime: 60_000,
  });

export const trustQuery = (id: string, revision: string | null) =>
  queryOptions({
    queryKey: ["trust", id, revision],
    queryFn: ({ signal }) => ask<Trust>(`/api/v1/surveys/${part(id)}/trust`, { signal }),
    staleTime: 60_000,
  });

/** What changed between two surveys as they are now: either may be made anew. */
export const changesQuery = (survey: Pick<Survey, "id" | "revision">, since: Pick<Survey, "id" | "revision">) =>
  queryOptions({
    queryKey: ["changes", survey.id, survey.revision, since.id, since.revision],
    queryFn: ({ signal }) =>
      ask<Changes>(`/api/v1/surveys/${part(survey.id)}/changes${query({ since: since.id })}`, { signal }),
    staleTime: 600_000,
  });

export const markersAddress = (game: string, save: string) => `/api/v1/saves/${part(game)}/${part(save)}/markers`;

export const markersQuery = (game: string, save: string) =>
  queryOptions({
    queryKey: ["markers", game, save],
    queryFn: async ({ signal }) => (await ask<{ markers: Marker[] }>(markersAddress(game, save), { signal })).markers,
    refetchInterval: 10_000, // others name places too
  });

export const gamesQuery = () =>
  queryOptions({
    queryKey: ["games"],
    queryFn: async ({ signal }) => (await ask<{ games: Game[] }>("/api/v1/games", { signal })).games,
  });

export const driversQuery = () =>
  queryOptions({
    queryKey: ["drivers"],
    queryFn: async ({ signal }) => (await ask<{ drivers: Driver[] }>("/api/v1/drivers", { signal })).drivers,
    staleTime: 600_000,
  });

/**
 * What a job would survey, and where.
 *
 * @param latest The revision of the map that it would lie on.
 */
export const planQuery = (request: JobRequest, latest: string | null) =>
  queryOptions({
    queryKey: ["plan", request, latest],
    queryFn: ({ signal }) => ask<JobPlan>("/api/jobs/plan", { method: "POST", body: request, signal }),
    staleTime: 60_000,
  });
