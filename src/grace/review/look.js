// The behaviour of the page of `grace view`. All that comes from the server is put into it as text, never as markup.

import { $, Refused, alone, ask, desk, enter, make, say, soon } from "/local.js";

const ROWS = 50; // rows of a page
const LIVE_MILLISECONDS = 2000; // between two looks at a run that is on

let board = 0; // the place of the table of trials
let shown = null; // what is known of it
let view = "rows"; // rows, distributions or unit
let start = 0; // the first row of the page
let total = 0; // how many rows the filter admits
let unit = null; // the row that is shown in full
let version = "";

const at = (path) => `/api/boards/${board}${path}`;
const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

// --- filters ---------------------------------------------------------------------------------------------------------

function fill(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
}

function makeFilters() {
  fill($("flag"), [["", "any or none"], ...shown.flags.map((flag) => [flag, flag])]);
  fill($("lane"), [["", "any"], ...shown.lanes.map(({ name }, place) => [String(place), name])]);
  $("lane-box").hidden = shown.lanes.length < 2;
  fill($("field"), [["", "–"], ...Object.keys(shown.named).map((name) => [name, name])]);
  $("field").disabled = !Object.keys(shown.named).length;
  $("label-box").hidden = true;
  const drawn = Object.entries(shown.conditions).map(condition);
  const isDesign = (_, place) => shown.design.includes(Object.keys(shown.conditions)[place]);
  const others = drawn.filter((one, place) => !isDesign(one, place));
  $("design-box").replaceChildren(...drawn.filter(isDesign));
  $("columns").replaceChildren(...others);
  $("columns-box").hidden = !others.length;
}

function condition([name, cells], place) {
  const id = `condition-${place}`;
  const select = make("select", { id, "data-column": name });
  fill(select, [["any", "any"], ...cells.map((cell, number) => [String(number), cell || "(empty)"])]);
  return make("p", {}, make("label", { for: id }, name), select);
}

function makeLabels() {
  const name = $("field").value;
  $("label-box").hidden = !name;
  if (!name) return;
  const { kind, labels } = shown.named[name];
  const none = kind === "field" ? "no value" : "not measured";
  fill($("label"), [...labels.map((label) => [`=${label}`, label]), ["=", none]]);
}

const conditionSelects = () => $("filters").querySelectorAll("select[data-column]");

/** The filter, as the server takes it. */
function where() {
  const conditions = {};
  for (const select of conditionSelects()) {
    const name = select.dataset.column;
    if (select.value !== "any") conditions[name] = shown.conditions[name][Number(select.value)];
  }
  const field = $("field").value;
  return {
    conditions,
    lane: $("lane").value === "" ? null : Number($("lane").value),
    flag: $("flag").value,
    field,
    label: field ? $("label").value.slice(1) : "",
    text: $("text").value,
  };
}

function clear() {
  $("text").value = "";
  for (const id of ["flag", "lane", "field"]) $(id).value = "";
  for (const select of conditionSelects()) select.value = "any";
  makeLabels();
  soon(() => show("rows", 0));
}

// --- the matrix ------------------------------------------------------------------------------------------------------

function chips({ values, labels, flags }) {
  const read = Object.entries(values).filter(([, value]) => value !== "");
  const all = [
    ...read.map(([name, value]) => make("span", { class: "chip" }, `${name} ${value}`)),
    ...labels.map(({ name, label, share }) => make("span", { class: "chip" }, `${name} ${label} (${share.toFixed(2)})`)),
    ...flags.map((flag) => make("span", { class: "flag" }, flag)),
  ];
  return all.length ? make("div", { class: "chips" }, ...all) : null;
}

function row({ unit, row, replication, trial, lanes }) {
  const name = shown.replications > 1 ? `Row ${row}, ${replication}` : `Row ${row}`;
  const open = make("button", { type: "button", "data-unit": unit }, name);
  open.addEventListener("click", () => alone(() => showUnit(unit)));
  const about = trial.map(({ value }) => value).join(", ");
  const head = make("th", { scope: "row" }, open, make("p", { class: "about-trial", dir: "auto" }, about));
  const cells = lanes.map((lane) =>
    make("td", {}, make("div", { class: "excerpt", dir: "auto" }, lane.text + (lane.cut ? " …" : "")), chips(lane)),
  );
  return make("tr", {}, head, ...cells);
}

async function showRows(from) {
  const page = await ask(at("/rows"), { where: where(), start: from, count: ROWS });
  start = from;
  total = page.total;
  version = String(page.version);
  const heads = shown.lanes.map(({ name }) => make("th", { scope: "col" }, name));
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Row"), ...heads));
  const caption = make("caption", {}, "Rows of the table, and what each model answered");
  $("matrix").replaceChildren(caption, head, make("tbody", {}, ...page.units.map(row)));
  const last = start + page.units.length;
  $("how-many").textContent = total
    ? `${(start + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${count(total, "row")}`
    : "no row";
  $("back").disabled = start === 0;
  $("on").disabled = last >= total;
}

// --- one row ---------------------------------------------------------------------------------------------------------

function cell({ name, value, about }) {
  return make("div", { title: about || null }, make("dt", {}, name), make("dd", { dir: "auto" }, value));
}

const facts = (all) => Object.entries(all).map(([name, fact]) => `${name}: ${fact}`).join(" · ");

function piece({ text, fields }) {
  return fields.length ? make("mark", {}, text, make("small", {}, fields.join(", "))) : text;
}

function said({ who, title, pieces, unseen, facts: own }, place, lane) {
  const id = `said-${lane}-${place}`;
  return make(
    "article",
    { class: `said ${who}`, "aria-labelledby": id },
    make("h3", { id }, title),
    make("pre", { dir: "auto" }, ...pieces.map(piece)),
    unseen.length ? make("p", { class: "unseen" }, `Holds characters that do not show: ${unseen.join("; ")}`) : null,
    Object.keys(own).length ? make("p", { class: "facts" }, facts(own)) : null,
  );
}

function value({ name, value, found, decision }) {
  const by = decision ? `${decision.verdict} by ${decision.by}` : found.by && `by ${found.by}, confidence ${found.confidence}`;
  const text = value === null ? "no value" : String(value);
  const why = value === null && !decision ? found.why : by;
  return make("div", {}, make("dt", {}, `${name}: ${text}`), why ? make("dd", { class: "facts" }, why) : null);
}

/** A table of bars; each has a text, a share of the widest one, and a number. */
function bars(name, all) {
  const most = Math.max(...all.map(([, share]) => share), 1e-9);
  const lines = all.map(([text, share, number]) => {
    const bar = make("div", { class: "bar-of" });
    bar.style.width = `${(100 * share) / most}%`;
    const line = make("td", {}, bar);
    return make("tr", {}, make("th", { scope: "row", dir: "auto" }, text), line, make("td", { class: "number" }, number));
  });
  return make("table", { class: "bars", "aria-label": name }, make("tbody", {}, ...lines));
}

function question({ name, prompt, labels, mass, residual, facts: own }) {
  const more = mass === null ? "not measured" : `label mass ${mass.toPrecision(3)}, residual ${residual.toPrecision(2)}`;
  return make(
    "div",
    { class: "block" },
    make("h3", {}, name),
    make("p", { class: "facts" }, more),
    labels.length ? bars(name, labels.map(([label, share]) => [label, share, share.toFixed(4)])) : null,
    make(
      "details",
      { class: "others" },
      make("summary", {}, "Prompt"),
      make("div", { class: "said shown" }, make("pre", { dir: "auto" }, prompt)),
      make("p", { class: "facts" }, facts(own)),
    ),
  );
}

function laneOf({ name, talk, fields, questions, trouble }, place) {
  return make(
    "section",
    { class: "lane", "aria-label": name },
    make("h2", {}, name),
    trouble ? make("p", { class: "wrong" }, trouble) : null,
    ...talk.map((own, number) => said(own, number, place)),
    fields.length ? make("div", { class: "block" }, make("h3", {}, "Values"), make("dl", {}, ...fields.map(value))) : null,
    ...questions.map(question),
  );
}

async function showUnit(number) {
  const full = await ask(at(`/units/${number}`), { where: where() });
  unit = full;
  reveal("unit");
  $("unit-title").textContent =
    shown.replications > 1 ? `Row ${full.row}, replication ${full.replication}` : `Row ${full.row}`;
  $("unit-place").textContent =
    full.place === null ? "not among the rows shown" : `${(full.place + 1).toLocaleString("en")} of ${count(full.total, "row")}`;
  $("conditions").replaceChildren(...full.conditions.map(cell));
  $("others").replaceChildren(...full.others.map(cell));
  $("others-box").hidden = !full.others.length;
  $("unit").replaceChildren(...full.lanes.map(laneOf));
  $("before").disabled = full.before === null;
  $("after").disabled = full.after === null;
  for (const text of $("unit").querySelectorAll("pre")) {
    if (text.scrollHeight > text.clientHeight) text.tabIndex = 0; // so that keys can scroll it
  }
  document.title = `${$("unit-title").textContent} – Grace view`;
  $("unit-title").focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

async function closeUnit() {
  const back = unit;
  reveal("rows");
  if (back.place !== null) await showRows(back.place - (back.place % ROWS));
  const open = [...$("matrix").querySelectorAll("button")].find(({ dataset }) => Number(dataset.unit) === back.unit);
  (open ?? $("rows-title")).focus();
}

// --- distributions ---------------------------------------------------------------------------------------------------

function fieldOf({ name, bars: all, others, none, total: rows }) {
  const lines = all.map(([text, number]) => [text, number, number.toLocaleString("en")]);
  if (others) lines.push(["others", others, others.toLocaleString("en")]);
  if (none) lines.push(["no value", none, none.toLocaleString("en")]);
  return make("div", { class: "block" }, make("h3", {}, name), rows ? bars(name, lines) : null);
}

function questionOf({ name, bars: all, mass, total: rows }) {
  const more = rows ? `mean of ${count(rows, "row")}, label mass ${mass.toPrecision(3)}` : "not measured";
  const lines = all.map(([text, share]) => [text, share, share.toFixed(4)]);
  return make(
    "div",
    { class: "block" },
    make("h3", {}, name),
    make("p", { class: "facts" }, more),
    rows ? bars(name, lines) : null,
  );
}

function spread(title, own, unitName) {
  if (own === null) return null;
  const most = Math.max(...own.bins);
  const drawn = own.bins.map((number) => {
    const bar = make("div", {});
    bar.style.height = `${(100 * number) / most}%`;
    return bar;
  });
  const short = (number) => Number(number.toPrecision(4)).toLocaleString("en");
  const words =
    `${count(own.number, "answer")}: ${short(own.low)} to ${short(own.high)}, median ${short(own.median)}, ` +
    `95% up to ${short(own.most)}, ${short(own.sum)} ${unitName} in all`;
  const histogram = make("div", { class: "histogram", role: "img", "aria-label": `${title}: ${words}` }, ...drawn);
  return make("div", { class: "block" }, make("h3", {}, title), histogram, make("p", { class: "facts" }, words));
}

async function showDistributions() {
  const all = await ask(at("/distributions"), { where: where() });
  version = String(all.version);
  reveal("distributions");
  $("of-many").textContent = count(all.total, "row");
  $("distributions").replaceChildren(
    ...all.lanes.map(({ name, fields, questions, tokens, seconds }) =>
      make(
        "section",
        { class: "lane", "aria-label": name },
        make("h2", {}, name),
        ...[...fields.map(fieldOf), ...questions.map(questionOf)],
        spread("Tokens of answers", tokens, "tokens"),
        spread("Time", seconds, "seconds"),
      ),
    ),
  );
}

// --- what is shown ---------------------------------------------------------------------------------------------------

function reveal(name) {
  view = name;
  for (const each of ["rows", "distributions", "unit"]) $(`${each}-box`).hidden = each !== name;
  $("filters-box").hidden = name === "unit";
  $("show-rows").setAttribute("aria-pressed", String(name === "rows"));
  $("show-distributions").setAttribute("aria-pressed", String(name === "distributions"));
  document.title = `${name === "distributions" ? "Distributions" : "Rows"} – Grace view`;
}

async function show(name, from = start) {
  if (name === "distributions") await showDistributions();
  else {
    await showRows(from);
    reveal("rows");
  }
}

async function openBoard(place) {
  board = place;
  shown = await ask(`/api/boards/${place}`);
  sessionStorage.setItem("board", place);
  $("about").textContent = shown.name;
  $("about").title = shown.study;
  makeFilters();
  tell(shown);
  await show("rows", 0);
  $("main").hidden = false;
}

function tell({ live, lanes }) {
  const done = lanes.map(({ name, answered, scored }) => {
    const parts = [answered && count(answered, "answer"), scored && count(scored, "prompt")].filter(Boolean);
    return `${name}: ${parts.join(", ") || "nothing yet"}`;
  });
  $("live").hidden = !live;
  $("live").textContent = live ? `running – ${done.join("; ")}` : "";
}

/** Read what was added; show it where that costs nothing, else say that it is there. */
async function refresh() {
  const state = await ask(at("/state"));
  tell(state);
  if (String(state.version) === version) return;
  if (view === "unit") await showUnit(unit.unit);
  else await show(view);
}

async function watch() {
  if (desk.over || !shown || desk.busy || document.hidden || view === "unit") return;
  if (document.querySelector("dialog[open]") || where().text) return;
  const inside = $("matrix").contains(document.activeElement) ? document.activeElement.dataset.unit : null;
  try {
    const state = await ask(at("/state"));
    tell(state);
    if (desk.busy || String(state.version) === version) return;
    await show(view);
    if (inside) $("matrix").querySelector(`button[data-unit="${Number(inside)}"]`)?.focus();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $("trouble").textContent = error.message;
  }
}

async function finish() {
  await ask("/api/finish", {});
  desk.over = true;
  $("main").hidden = true;
  for (const button of document.querySelectorAll(".bar button")) button.disabled = true;
  say("Closed. You can close this page.");
}

// --- keys and buttons ------------------------------------------------------------------------------------------------

function step(by) {
  if (view === "unit") {
    const next = by > 0 ? unit.after : unit.before;
    if (next !== null) alone(() => showUnit(next));
  } else if (view === "rows" && start + by * ROWS >= 0 && start + by * ROWS < total) {
    alone(async () => {
      await showRows(start + by * ROWS);
      $("rows-title").focus({ preventScroll: true });
      scrollTo({ top: 0 });
    });
  }
}

/** One row down or up in the table. */
function walk(by) {
  if (view !== "rows") return;
  const buttons = [...$("matrix").querySelectorAll("tbody button")];
  const place = buttons.indexOf(document.activeElement) + by;
  buttons[Math.min(Math.max(place, 0), buttons.length - 1)]?.focus();
}

async function search() {
  if (view === "unit") await show("rows");
  $("text").focus();
}

const KEYS = {
  n: () => step(1),
  p: () => step(-1),
  j: () => walk(1),
  k: () => walk(-1),
  m: () => alone(() => show("rows")),
  d: () => alone(() => show("distributions")),
  g: () => alone(refresh),
  x: clear,
  "/": () => alone(search),
  "?": () => $("keys").showModal(),
};
const ARROWS = { ArrowRight: KEYS.n, ArrowLeft: KEYS.p };

function onKey(event) {
  if (desk.over || !shown || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const { target } = event;
  if (event.key === "Escape" && view === "unit") {
    event.preventDefault();
    alone(closeUnit);
    return;
  }
  if (event.key === "Escape" && target.id === "text") {
    $("rows-title").focus();
    return;
  }
  if (["INPUT", "SELECT"].includes(target.tagName)) return;
  const scrolls = (target.tagName === "PRE" || target.id === "matrix-box") && target.scrollWidth > target.clientWidth;
  const action = KEYS[event.key] ?? (scrolls ? undefined : ARROWS[event.key]);
  if (!action) return;
  event.preventDefault();
  action();
}

function listen() {
  document.addEventListener("keydown", onKey);
  $("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    soon(() => show(view === "distributions" ? view : "rows", 0));
  });
  $("filters").addEventListener("change", (event) => {
    if (event.target.id === "text") return;
    if (event.target.id === "board") {
      alone(() => openBoard(Number($("board").value)));
      return;
    }
    if (event.target.id === "field") makeLabels();
    soon(() => show(view === "distributions" ? view : "rows", 0));
  });
  $("clear").addEventListener("click", clear);
  $("show-rows").addEventListener("click", KEYS.m);
  $("show-distributions").addEventListener("click", KEYS.d);
  $("refresh").addEventListener("click", KEYS.g);
  for (const id of ["back", "before"]) $(id).addEventListener("click", KEYS.p);
  for (const id of ["on", "after"]) $(id).addEventListener("click", KEYS.n);
  $("close-unit").addEventListener("click", () => alone(closeUnit));
  $("help").addEventListener("click", KEYS["?"]);
  $("finish").addEventListener("click", () => alone(finish));
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    const title = $(`${view}-title`);
    title.focus();
    title.scrollIntoView();
  });
}

async function begin() {
  await enter("grace view");
  const { boards } = await ask("/api/boards");
  fill($("board"), boards.map((name, place) => [String(place), name]));
  $("board-box").hidden = boards.length < 2;
  const kept = Number(sessionStorage.getItem("board") ?? 0);
  const place = kept < boards.length ? kept : 0;
  $("board").value = String(place);
  await openBoard(place);
  setInterval(watch, LIVE_MILLISECONDS);
}

listen();
alone(begin);
