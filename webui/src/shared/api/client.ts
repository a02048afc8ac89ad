/** One way to ask the gateway, and what may go wrong: nothing here knows a page. */

/** The gateway answered, and said no. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }

  get isMissing(): boolean {
    return this.status === 404 || this.status === 410 || this.status === 422;
  }
}

/** Nobody answered, or only a server that has lost what it stands on. */
export class ServerGone extends Error {}

/** What gateways and proxies say of something behind them; a bare 500 stays what it is however often one asks. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

type Method = "GET" | "POST" | "PATCH" | "DELETE";

interface Asked {
  method?: Method;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

export async function ask<T>(address: string, { method = "GET", body, headers, signal }: Asked = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerGone("The server does not answer.", { cause: error });
  }
  if (response.status === 204) return undefined as T;
  if (response.ok) return (await response.json()) as T;
  throw await refusal(response, method);
}

export async function refusal(response: Response, method: Method): Promise<Refusal | ServerGone> {
  const told = errorOf(await response.json().catch(() => null));
  const message = told?.message ?? `The server answered ${response.status}.`;
  // A failed write is shown at its button; a read that failed for want of a server or a store is repeated.
  if (AWAY.has(response.status) && method === "GET") return new ServerGone(message);
  return new Refusal(response.status, told?.code ?? `HTTP_${response.status}`, message, told?.details);
}

interface Told {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

function errorOf(body: unknown): Told | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  return body.error as Told;
}

/** Spell an address's query; what is null or undefined is left out. */
export function query(values: Readonly<Record<string, string | number | null | undefined>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

export const part = encodeURIComponent;
