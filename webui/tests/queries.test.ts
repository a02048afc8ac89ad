import { InfiniteQueryObserver, QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { makeQueryClient } from "@/shared/api/gone";
import { changesQuery, surveyPagesQuery, tilejsonQuery, trustQuery } from "@/shared/api/queries";

type Answer = () => Promise<Response>;

const refused = (status: number): Answer => () =>
  Promise.resolve(Response.json({ error: { code: `HTTP_${status}`, message: `no: ${status}` } }, { status }));

let asked: string[] = [];

function answer(give: (address: string) => Promise<Response>): void {
  vi.stubGlobal("fetch", (address: string) => {
    asked.push(address);
    return give(address);
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Surveys 5 to 1, two a page, as the gateway pages them. */
function page(address: string) {
  const after = new URL(address, "http://gateway").searchParams.get("after");
  const ids = ["5", "4", "3", "2", "1"];
  const from = after === null ? 0 : ids.indexOf(after) + 1;
  const surveys = ids.slice(from, from + 2).map((id) => ({ id }));
  return Response.json({ surveys, next: from + 2 < ids.length ? surveys.at(-1)?.id : null });
}

describe("the list of surveys", () => {
  it("goes on page by page after the last one seen, and ends with the last page", async () => {
    answer((address) => Promise.resolve(page(address)));
    const list = new InfiniteQueryObserver(new QueryClient(), surveyPagesQuery({ game: "a b", state: null }));
    const stop = list.subscribe(() => undefined);
    const shown = () => list.getCurrentResult().data?.pages.flatMap((one) => one.surveys.map(({ id }) => id));
    await vi.advanceTimersByTimeAsync(10);
    expect(shown()).toEqual(["5", "4"]);
    expect(asked).toEqual(["/api/v1/surveys?limit=50&game=a+b"]);
    await list.fetchNextPage();
    await list.fetchNextPage();
    expect(shown()).toEqual(["5", "4", "3", "2", "1"]);
    expect(asked.at(-1)).toBe("/api/v1/surveys?limit=50&after=2&game=a+b");
    expect(list.getCurrentResult().hasNextPage).toBe(false);
    stop();
  });

  it("asks for all its pages anew together, so that none is lost between two", async () => {
    answer((address) => Promise.resolve(page(address)));
    const list = new InfiniteQueryObserver(new QueryClient(), surveyPagesQuery({ game: null, state: null }));
    const stop = list.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(10);
    await list.fetchNextPage();
    asked = [];
    await list.refetch();
    expect(asked).toEqual(["/api/v1/surveys?limit=50", "/api/v1/surveys?limit=50&after=4"]);
    stop();
  });
});

describe("a question", () => {
  const watched = () => new QueryObserver(makeQueryClient(), { ...trustQuery("a-b-0001", null) });

  it("is asked every two seconds while nobody answers, until somebody does", async () => {
    let isThere = false;
    answer(() => (isThere ? Promise.resolve(Response.json({ survey: "a-b-0001" })) : Promise.reject(new TypeError("refused"))));
    const question = watched();
    const stop = question.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(4100);
    expect(asked).toHaveLength(3);
    expect(question.getCurrentResult().status).toBe("pending");
    isThere = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(question.getCurrentResult().data).toEqual({ survey: "a-b-0001" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(4);
    stop();
  });

  it.each([502, 503, 504])("is asked again where a server behind the server is away: %i", async (status) => {
    answer(refused(status));
    const stop = watched().subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(4100);
    expect(asked).toHaveLength(3);
    stop();
  });

  it.each([404, 409, 422, 500])("is not asked again where the answer is no: %i", async (status) => {
    answer(refused(status));
    const question = watched();
    const stop = question.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(1);
    expect(question.getCurrentResult().error?.message).toBe(`no: ${status}`);
    stop();
  });

  it("for a map that is not there has an answer: none", async () => {
    answer(refused(404));
    expect(await makeQueryClient().fetchQuery(tilejsonQuery("a-b-0001"))).toBeNull();
  });
});

describe("what was compared", () => {
  it("is compared anew once either survey was made anew", async () => {
    answer(() => Promise.resolve(Response.json({ places: [] })));
    const client = makeQueryClient();
    const [one, other] = [{ id: "a-b-0002", revision: "r2" }, { id: "a-b-0001", revision: "r1" }];
    await client.fetchQuery(changesQuery(one, other));
    await client.fetchQuery(changesQuery(one, other));
    expect(asked).toEqual(["/api/v1/surveys/a-b-0002/changes?since=a-b-0001"]);
    await client.fetchQuery(changesQuery({ ...one, revision: "r3" }, other));
    await client.fetchQuery(changesQuery(one, { ...other, revision: "r4" }));
    expect(asked).toHaveLength(3);
  });
});
