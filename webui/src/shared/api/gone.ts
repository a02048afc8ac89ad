/** Whether the server is away: shown once for the whole page, whichever request noticed it. */
import { type QueryClient, QueryClient as Client, useQueryClient } from "@tanstack/react-query";
import { useCallback, useSyncExternalStore } from "react";

import { Refusal, ServerGone } from "./client";

const ASK_AGAIN_MS = 2000;

/** Requests to a server that is away are repeated until it is back; a refusal is an answer. */
export function makeQueryClient(): QueryClient {
  return new Client({
    defaultOptions: {
      queries: {
        retry: (_, error) => error instanceof ServerGone,
        retryDelay: ASK_AGAIN_MS,
        networkMode: "always", // the gateway may run on this very machine, which may be offline
        staleTime: 1000,
      },
      mutations: { networkMode: "always" },
    },
  });
}

export interface Gone {
  message: string;
  isAskedAgain: boolean;
}

/** Return what is said of the server's absence or of its own failure, or null while it answers. */
export function useServerGone(): Gone | null {
  const cache = useQueryClient().getQueryCache();
  const subscribe = useCallback((told: () => void) => cache.subscribe(told), [cache]);
  const failure = useSyncExternalStore(subscribe, () => {
    const watched = cache.getAll().filter((question) => question.getObserversCount() > 0);
    const failures = watched.map((question) => question.state.fetchFailureReason ?? question.state.error);
    return failures.find((one) => one instanceof ServerGone) ?? failures.find(isFault) ?? null;
  });
  return failure === null ? null : { message: failure.message, isAskedAgain: failure instanceof ServerGone };
}

/** A failure of the server's own: an answer, so the request is not repeated, but no page has a text for it. */
function isFault(error: Error | null): boolean {
  return error instanceof Refusal && error.status >= 500;
}
