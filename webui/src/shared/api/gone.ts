/** Whether the server is away: told once for the whole page, whichever question noticed it. */
import { type QueryClient, QueryClient as Client, useQueryClient } from "@tanstack/react-query";
import { useCallback, useSyncExternalStore } from "react";

import { ServerGone } from "./client";

const ASK_AGAIN_MS = 2000;

/** Questions to a server that is away are asked until it is back; a refusal is an answer. */
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

/** Return what is said of the server's absence, or null while it answers. */
export function useServerGone(): string | null {
  const cache = useQueryClient().getQueryCache();
  const subscribe = useCallback((told: () => void) => cache.subscribe(told), [cache]);
  return useSyncExternalStore(subscribe, () => {
    for (const question of cache.getAll()) {
      const failure = question.state.fetchFailureReason;
      if (question.getObserversCount() > 0 && failure instanceof ServerGone) return failure.message;
    }
    return null;
  });
}
