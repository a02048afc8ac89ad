// The page's course: which survey the address names, how it stands, and when to ask again.

import * as api from "./api.js";
import * as camera from "./camera.js";
import * as page from "./page.js";
import { MapView } from "./view.js";

const ASK_AGAIN_MS = 2000;
const HASH_AFTER_MS = 150;

const FIRST_SURVEY = "imageflow survey run --driver city --grid 6x6 --seed 7 --game city --save first";

const TEXTS = {
  planned: "It is registered and has not been started yet. The map appears here by itself.",
  running: "It is being made. The map appears here by itself.",
  completed: "It has ended without a map.",
  cancelled: "It was cancelled before it had a map.",
  failed: "It has failed.",
};

let shown = null; // {id, revision} of the map on the screen
let pendingCamera = camera.parse(window.location.hash);
let pointerInside = false;
let hashTimer;

const view = new MapView(document.getElementById("map"), {
  onCamera(position, screenPixels) {
    page.scale(screenPixels);
    if (!pointerInside) page.pointer({ x: Math.floor(position.x), y: Math.floor(position.y) });
    clearTimeout(hashTimer); // browsers refuse a page that changes its address too often
    hashTimer = setTimeout(() => {
      const hash = camera.spell(position, view.facts.frame.native_zoom);
      window.history.replaceState(null, "", window.location.pathname + hash);
    }, HASH_AFTER_MS);
  },
  onPointer(pixel) {
    pointerInside = pixel !== null;
    if (pixel !== null) page.pointer(pixel);
  },
});

/** The survey that the address names; null for "the latest". */
function named() {
  const match = window.location.pathname.match(/^\/maps\/([^/]+)/);
  if (match === null) return null;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return match[1]; // no text at all, and so no survey
  }
}

function showMap(tilejson) {
  const { survey, revision } = tilejson.imageflow;
  page.map();
  if (shown?.id !== survey || shown?.revision !== revision) {
    view.show(tilejson, pendingCamera);
    pendingCamera = null;
    shown = { id: survey, revision };
  }
}

function showCard(facts) {
  clearTimeout(hashTimer);
  view.clear();
  shown = null;
  page.card(facts);
}

function describe(survey) {
  const { counts } = survey;
  const under = survey.state === "planned" || survey.state === "running";
  showCard({
    title: page.titleOf(survey),
    text: survey.reason ?? TEXTS[survey.state],
    progress: under && {
      percent: survey.progress,
      text: `${survey.progress} % · ${counts.shots_taken} of ${counts.shots_planned} screenshots · `
        + `${counts.tiles_cut} tiles`,
    },
  });
}

/** Show what the address asks for; return the id of the survey on the screen, or null. */
async function showNamed(id, surveys) {
  const listed = surveys.find((survey) => survey.id === id);
  if (listed && shown?.id === id && shown.revision === listed.revision) return id;
  try {
    const survey = listed?.revision ? listed : await api.survey(id);
    if (survey.revision) showMap(await api.tilejson(id));
    else describe(survey);
    return id;
  } catch (error) {
    if (!(error instanceof api.Missing)) throw error;
    showCard({
      title: "There is no such survey",
      text: `'${id}' does not exist, or was deleted. ${surveys.length ? "Choose another from the list." : ""}`,
    });
    return null;
  }
}

async function showLatest(surveys) {
  const tilejson = await api.latest();
  if (tilejson !== null) {
    showMap(tilejson);
    return tilejson.imageflow.survey;
  }
  if (surveys.length > 0) return showNamed(surveys[0].id, surveys);
  showCard({
    title: "No survey yet",
    text: "A survey turns the pictures of a game into a map. This makes a small one, and it appears here by itself:",
    command: FIRST_SURVEY,
  });
  return null;
}

let away = false;
let busy = false;
let askedMeanwhile = false;

async function refresh() {
  if (busy) {
    askedMeanwhile = true; // one at a time: an older answer must not follow a newer one
    return;
  }
  busy = true;
  try {
    const surveys = await api.surveys();
    const id = named();
    const current = id === null ? await showLatest(surveys) : await showNamed(id, surveys);
    page.list(surveys, current);
    page.banner(null);
    if (away) view.redraw(); // tiles that failed meanwhile
    away = false;
  } catch (error) {
    if (!(error instanceof api.Gone)) throw error;
    away = true;
    page.banner(`${error.message} Trying again…`);
  } finally {
    busy = false;
  }
  if (askedMeanwhile) {
    askedMeanwhile = false;
    await refresh();
  }
}

async function keepAsking() {
  try {
    if (!document.hidden) await refresh();
  } finally {
    setTimeout(keepAsking, ASK_AGAIN_MS);
  }
}

page.onChoice((address) => {
  window.history.pushState(null, "", address);
  page.closeList();
  refresh();
});
window.addEventListener("popstate", () => {
  pendingCamera = camera.parse(window.location.hash);
  refresh();
});
window.addEventListener("hashchange", (event) => {
  // The event's own address: a late note of where the map was may have replaced the page's by now.
  const position = camera.parse(new URL(event.newURL).hash);
  if (position === null) return;
  clearTimeout(hashTimer);
  view.go(position);
});

if (window.L === undefined) {
  page.card({
    title: "The map viewer is not installed",
    text: "Leaflet is fetched once, when ImageFlow is set up. Run this in its source folder, then load the page again:",
    command: "make webui",
  });
} else {
  page.offerCopy();
  keepAsking();
}
