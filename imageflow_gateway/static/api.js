// The gateway's answers. Knows nothing of the page.

export class Missing extends Error {}
export class Gone extends Error {}

async function read(address) {
  let response;
  try {
    response = await fetch(address, { headers: { accept: "application/json" } });
  } catch (error) {
    throw new Gone("The server does not answer.", { cause: error });
  }
  if (response.ok) return response.json();
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? `The server answered ${response.status}.`;
  if (response.status === 404 || response.status === 422) throw new Missing(message);
  throw new Gone(message);
}

export const surveys = async () => (await read("/api/surveys")).surveys;
export const survey = (id) => read(`/api/surveys/${encodeURIComponent(id)}`);
export const tilejson = (id) => read(`/tiles/${encodeURIComponent(id)}/tilejson.json`);

/** The map that was published last, or null where there is none. */
export async function latest() {
  try {
    return await read("/tiles/tilejson.json");
  } catch (error) {
    if (error instanceof Missing) return null;
    throw error;
  }
}
