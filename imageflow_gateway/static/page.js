// The parts of the page around the map: list, card, banner. All text is set as text, never as markup.

const find = (id) => document.getElementById(id);

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function titleOf({ id, game, save }) {
  return `${game} · ${save} · ${Number(id.slice(id.lastIndexOf("-") + 1))}`;
}

function noteOf(survey) {
  if (survey.state === "completed") return DATE.format(new Date(survey.finished_at ?? survey.created_at));
  if (survey.state === "planned") return "planned, not started";
  return survey.revision === null ? survey.state : `${survey.state}, map of an earlier run`;
}

function entry(survey, current) {
  const link = document.createElement("a");
  link.href = survey.links.map;
  if (survey.id === current) link.setAttribute("aria-current", "page");
  const picture = document.createElement(survey.links.thumbnail ? "img" : "span");
  picture.className = "picture";
  if (survey.links.thumbnail) {
    picture.src = `${survey.links.thumbnail}?${survey.revision.slice(0, 8)}`;
    picture.alt = "";
    picture.loading = "lazy";
  }
  const title = document.createElement("span");
  title.textContent = titleOf(survey);
  const note = document.createElement("small");
  note.textContent = noteOf(survey);
  note.className = survey.state;
  const words = document.createElement("span");
  words.className = "words";
  words.append(title, note);
  link.append(picture, words);
  const item = document.createElement("li");
  item.append(link);
  return item;
}

let listed = "";

export function list(surveys, current) {
  const facts = JSON.stringify([surveys, current]);
  if (facts === listed) return; // a new list would lose focus and scroll
  listed = facts;
  const entries = surveys.map((survey) => entry(survey, current));
  if (entries.length === 0) {
    const nothing = document.createElement("li");
    nothing.className = "nothing";
    nothing.textContent = "No surveys yet";
    entries.push(nothing);
  }
  find("surveys").replaceChildren(...entries);
  const chosen = surveys.find((survey) => survey.id === current);
  find("picked-title").textContent = chosen ? titleOf(chosen) : "ImageFlow";
  find("picked-note").textContent = chosen ? noteOf(chosen) : "";
  document.title = chosen ? `${titleOf(chosen)} – ImageFlow` : "ImageFlow";
}

/** `progress`: {percent, text} or nothing; `command`: what to run, or nothing. */
export function card({ title, text, progress, command }) {
  find("card-title").textContent = title;
  find("card-text").textContent = text;
  find("card-progress").hidden = !progress;
  if (progress) {
    find("card-bar").value = progress.percent;
    find("card-counts").textContent = progress.text;
  }
  find("card-command").hidden = !command;
  find("card-command").textContent = command ?? "";
  find("card").hidden = false;
  find("readout").hidden = true;
}

export function map() {
  find("card").hidden = true;
  find("readout").hidden = false;
}

export function banner(text) {
  find("banner").hidden = text === null;
  find("banner").textContent = text ?? "";
}

export function pointer({ x, y }) {
  find("coordinates").textContent = `x ${x}  y ${y}`;
}

export function scale(screenPixels) {
  const small = screenPixels < 1;
  const ratio = Number((small ? 1 / screenPixels : screenPixels).toPrecision(2));
  find("scale").textContent = small ? `1/${ratio}` : `${ratio}×`;
}

export function closeList() {
  find("picker").open = false;
}

export function onChoice(choose) {
  find("surveys").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link.getAttribute("href"));
  });
}

export function offerCopy() {
  const button = find("copy");
  if (!navigator.clipboard) return; // plain HTTP on another host has none; the address bar does
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(window.location.href);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy link"; }, 1500);
  });
}
