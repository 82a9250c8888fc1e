// The behaviour of the review page. All that comes from the server is put into the page as text, never as markup.

import { $, Refused, alone, ask, complain, desk, enter, make, say } from "/local.js";

let shown = null; // the row on the page
let blind = false; // what was read stays hidden

// --- making the page -------------------------------------------------------------------------------------------------

function showProgress({ total, decided }) {
  $("bar").max = total;
  $("bar").value = decided;
  $("how-far").textContent = `${decided} of ${total} decided`;
  $("ending-text").textContent =
    decided < total
      ? `${decided} of ${total} rows are decided. The others stay as they are, and can be reviewed another time.`
      : `All ${total} rows are decided.`;
}

/** How many rows are there for the chosen reason. */
function showKind({ total, decided }) {
  $("kind").textContent = $("reason").value ? `${decided} of ${total} decided` : "";
}

function showRow(row) {
  shown = row;
  sessionStorage.setItem("place", row.place);
  showProgress(row);
  showKind(row.among);
  $("title").textContent = `Row ${row.row}`;
  document.title = `Row ${row.row}, ${row.decided} of ${row.total} decided – Grace review`;
  showState(row);
  const reasons = row.reasons.map((why) => make("li", {}, why));
  $("reasons").replaceChildren(...reasons);
  $("reasons").hidden = !reasons.length;
  $("conditions").replaceChildren(...row.conditions.map(cell));
  $("others").replaceChildren(...row.others.map(cell));
  $("others-box").hidden = !row.others.length;
  $("unsure").hidden = row.sure;
  $("talk").replaceChildren(...row.talk.map(said));
  $("groups").replaceChildren(...row.groups.map(group));
  $("comment").value = row.comment;
  $("previous").disabled = row.before === null;
  $("next").disabled = row.after === null;
  $("undecided").disabled = row.next === null;
  $("main").hidden = false;
  for (const text of $("talk").querySelectorAll("pre")) {
    if (text.scrollHeight > text.clientHeight) text.tabIndex = 0; // so that keys can scroll it
  }
  look();
  showOpen(row);
}

/** Bring the first value that needs a person into view. */
function showOpen({ groups }) {
  const fields = groups.flatMap((one) => one.fields);
  const open = fields.find(({ found: read }) => read && (read.value === null || read.doubtful));
  const box = open && boxes().find(({ dataset }) => dataset.name === open.name);
  const around = document.querySelector(".scrolling");
  around.scrollTop = 0;
  if (box) around.scrollTop = Math.max(0, box.offsetTop + box.offsetHeight - around.offsetTop - around.clientHeight + 12);
}

function showState({ place, total, decision }) {
  const state = $("state");
  state.classList.toggle("decided", decision !== null);
  const when = decision && new Date(decision.when).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const what = decision ? `${decision.verdict} by ${decision.by}, ${when}` : "not decided";
  state.textContent = `${place + 1} of ${total} in the queue: ${what}`;
}

function cell({ name, value, about }) {
  return make("div", { title: about || null }, make("dt", {}, name), make("dd", { dir: "auto" }, value));
}

function said({ who, title, text, unseen }, place) {
  const id = `said-${place}`;
  const empty = !text.trim();
  return make(
    "article",
    { class: `said ${who}`, "aria-labelledby": id },
    make("h3", { id }, title),
    make("pre", { dir: "auto" }, text),
    empty ? make("p", { class: "unseen" }, "This answer is empty.") : null,
    unseen.length ? make("p", { class: "unseen" }, `Holds characters that do not show: ${unseen.join("; ")}`) : null,
  );
}

function group({ about, fields, total, slack }) {
  const sum = total === null ? null : make("p", { class: "sum", "data-total": total, "data-slack": slack });
  return make("div", { class: "group" }, make("p", { class: "what" }, about), ...fields.map(field), sum);
}

function field(own) {
  const body = { choice, number, text: words }[own.kind](own);
  body.dataset.name = own.name;
  body.dataset.kind = own.kind;
  body.append(
    make("p", { class: `found${own.found?.doubtful ? " doubtful" : ""}`, id: `found-${own.name}` }, found(own.found)),
    make("p", { class: "wrong", id: `wrong-${own.name}`, hidden: true }),
  );
  return body;
}

function found(read) {
  if (read === null) return "";
  const { value, confidence, by, why, doubtful } = read;
  if (value === null) return `Nothing read: ${why}`;
  return `Read: ${value}, by ${by}, confidence ${confidence}${doubtful ? ", in doubt" : ""}`;
}

function described(name) {
  return `found-${name} wrong-${name}`;
}

function number({ name, about, low, high, step, value, wanted }) {
  const id = `field-${name}`;
  const input = make("input", {
    id, name, type: "number", min: low, max: high, step, title: wanted, "aria-describedby": described(name),
  });
  input.value = value ?? "";
  input.addEventListener("wheel", () => input.blur(), { passive: true }); // or scrolling would change the number
  const hint = about ? make("small", {}, about) : null;
  return make("div", { class: "field number" }, make("label", { class: "name", for: id }, name, hint), input);
}

function words({ name, about, value, wanted }) {
  const id = `field-${name}`;
  const input = make("input", { id, name, type: "text", dir: "auto", title: wanted, "aria-describedby": described(name) });
  input.value = value ?? "";
  const hint = about ? make("small", {}, about) : null;
  return make("div", { class: "field text" }, make("label", { class: "name", for: id }, name, hint), input);
}

function choice({ name, about, options, value }) {
  const one = (option, text) => {
    const input = make("input", { type: "radio", name, value: option, "aria-describedby": described(name) });
    const open = blind && shown.decision === null; // nothing is chosen before the person does
    input.checked = !open && String(value ?? "") === String(option);
    return make("label", {}, input, make("span", {}, text));
  };
  const hint = about ? make("small", {}, about) : null;
  return make(
    "fieldset",
    { class: "field", role: "radiogroup" },
    make("legend", { class: "name" }, name, hint),
    make("div", { class: "choices" }, ...options.map((option) => one(option, String(option))), one("", "no value")),
  );
}

// --- the values ------------------------------------------------------------------------------------------------------

const boxes = () => [...$("groups").querySelectorAll(".field")];
const firstInput = (box) => box.querySelector("input:checked") ?? box.querySelector("input");

function valueOf(box) {
  const name = box.dataset.name;
  return box.dataset.kind === "choice"
    ? (box.querySelector("input:checked")?.value ?? "")
    : box.querySelector("input").value.trim();
}

function readOf(box) {
  for (const { fields } of shown.groups) {
    const own = fields.find(({ name }) => name === box.dataset.name);
    if (own) return { read: own.found?.value ?? "", kept: own.value ?? "" };
  }
  return { read: "", kept: "" };
}

function same(box, value) {
  if (box.querySelector("input").validity.badInput) return false;
  const own = valueOf(box);
  if (own === "" || value === "") return own === String(value);
  return box.dataset.kind === "number" ? Number(own) === Number(value) : own === String(value);
}

const asRead = () => boxes().every((box) => same(box, readOf(box).read));
const commented = () => $("comment").value.trim() !== shown.comment;
const asKept = () => boxes().every((box) => same(box, readOf(box).kept));

/** Bring marks, sums and buttons up to date with the values. */
function look() {
  for (const box of boxes()) box.classList.toggle("changed", !blind && !same(box, readOf(box).read));
  for (const sum of $("groups").querySelectorAll(".sum")) showSum(sum);
  const read = asRead();
  for (const id of ["accept", "correct", "reject"]) $(id).hidden = !read && !blind;
  for (const id of ["save", "undo"]) $(id).hidden = read && !blind;
  if (blind) for (const id of ["accept", "correct", "undo"]) $(id).hidden = true;
}

function showSum(sum) {
  const values = [...sum.parentElement.querySelectorAll("input")].map((input) => input.value);
  const { total, slack } = sum.dataset;
  const full = values.every((value) => value !== "");
  const made = values.reduce((before, value) => before + Number(value), 0);
  const off = full && Math.abs(made - total) > Number(slack);
  sum.classList.toggle("off", off);
  sum.textContent = `Sum: ${Math.round(made * 1e6) / 1e6} of ${total}${full ? "" : " (not all have a value)"}`;
}

function fill(box, value) {
  const inputs = [...box.querySelectorAll("input")];
  if (box.dataset.kind === "choice") for (const input of inputs) input.checked = input.value === String(value);
  else inputs[0].value = value;
  point(box, "");
}

/** Say at a field what is wrong with it. */
function point(box, what) {
  const wrong = box.querySelector(".wrong");
  wrong.textContent = what;
  wrong.hidden = !what;
  const bearer = box.dataset.kind === "choice" ? box : box.querySelector("input");
  if (what) bearer.setAttribute("aria-invalid", "true");
  else bearer.removeAttribute("aria-invalid");
}

function undo() {
  for (const box of boxes()) fill(box, readOf(box).read);
  look();
  say("");
  $("title").focus({ preventScroll: true });
}

// --- what the person does --------------------------------------------------------------------------------------------

/** The part of an address that names the reason whose rows are shown. */
const among = () => ($("reason").value ? `?reason=${encodeURIComponent($("reason").value)}` : "");

async function open(place) {
  showRow(await ask(`/api/rows/${place}${among()}`));
  $("title").focus({ preventScroll: true });
  scrollTo({ top: 0 });
  $("talk").scrollTop = 0;
}

function leave(place) {
  if (place === null) return;
  if (commented()) {
    complain("The comment is not saved: it is, with the next decision about this row.");
    return;
  }
  if (!asKept() && !asRead()) {
    complain("There are changes that are not saved: Enter saves them, Esc puts back what was read.");
    return;
  }
  alone(() => open(place));
}

async function decide(verdict, values) {
  const comment = $("comment").value.trim();
  const seen = shown.decision?.when ?? null;
  const body = { verdict, comment, seen, ...(values === undefined ? {} : { values }) };
  const { row, next, verdict: made, ...rest } = await ask(`/api/rows/${shown.place}${among()}`, body).catch(meet);
  showProgress(rest);
  if (next === null) {
    await open(shown.place);
    const what = $("reason").value ? "Every row of this kind is decided." : "Every row is decided; Finish ends the review.";
    say(`Saved: row ${row} ${made}. ${what}`);
  } else {
    await open(next);
    say(`Saved: row ${row} ${made}. Now row ${shown.row}.`);
  }
}

/** Show what another tab decided about the row, beside the person's own values, which stay. */
function meet(error) {
  if (error instanceof Refused && error.row) {
    shown = error.row;
    showProgress(shown);
    showState(shown);
    for (const { name, found: read, value } of shown.groups.flatMap((one) => one.fields)) {
      $(`found-${name}`).textContent = `${found(read)} Saved in the other tab: ${value ?? "no value"}.`.trim();
    }
    look();
  }
  throw error;
}

/** Decide in one go about the values as they were read. */
function settle(verdict) {
  if (blind && verdict === "accepted") complain("Nothing is shown to accept: give the values, then Enter saves them.");
  else if (asRead() || blind) alone(() => decide(verdict));
  else complain("The values are not those that were read: Enter saves a correction, Esc puts back what was read.");
}

const accept = () => settle("accepted");
const reject = () => settle("rejected");

function save() {
  const wrong = {};
  for (const box of boxes()) {
    point(box, "");
    if (box.querySelector("input").validity.badInput) {
      wrong[box.dataset.name] = `this is not ${box.querySelector("input").title}`;
    }
  }
  if (Object.keys(wrong).length) {
    pointAll(wrong);
    return;
  }
  if (asRead() && !blind) {
    complain("Nothing was changed. Accept (a) says that what was read is right.");
    return;
  }
  const values = Object.fromEntries(boxes().map((box) => [box.dataset.name, valueOf(box) || null]));
  alone(async () => {
    try {
      await decide("corrected", values);
    } catch (error) {
      if (error instanceof Refused) pointAll(error.fields);
      throw error;
    }
  });
}

function pointAll(wrong) {
  const bad = boxes().filter((box) => box.dataset.name in wrong);
  for (const box of bad) point(box, wrong[box.dataset.name]);
  if (bad.length) firstInput(bad[0]).focus();
}

function correct() {
  const input = firstInput(boxes()[0]);
  input.focus();
  if (input.type === "number") input.select();
}

async function finish() {
  const { made } = await ask("/api/finish", {});
  desk.over = true;
  $("main").hidden = true;
  for (const button of document.querySelectorAll(".bar button")) button.disabled = true;
  const decisions = made === 1 ? "1 decision is" : `${made} decisions are`;
  say(`Finished: ${decisions} saved. The command in the terminal writes the table again. You can close this page.`);
}

// --- keys and buttons ------------------------------------------------------------------------------------------------

const KEYS = {
  a: accept,
  c: correct,
  r: reject,
  t: () => $("comment").focus(),
  n: () => leave(shown.after),
  p: () => leave(shown.before),
  u: () => leave(shown.next),
  "?": () => $("keys").showModal(),
};
const ARROWS = { ArrowRight: KEYS.n, ArrowLeft: KEYS.p };

function onKey(event) {
  if (desk.over || !shown || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.isComposing || document.querySelector("dialog[open]")) return;
  const { target } = event;
  const radio = target.type === "radio";
  if (target.id === "comment" && ["Enter", "Escape"].includes(event.key)) {
    event.preventDefault();
    $("title").focus({ preventScroll: true });
    return;
  }
  if ($("form").contains(target) && target.tagName === "INPUT" && event.key === "Enter") {
    event.preventDefault();
    save();
    return;
  }
  if (event.key === "Escape" && (!asRead() || target.tagName === "INPUT")) {
    event.preventDefault();
    undo();
    return;
  }
  if (target.tagName === "SELECT" || (target.tagName === "INPUT" && !radio)) return;
  const scrolls = target.tagName === "PRE" && target.scrollWidth > target.clientWidth;
  const action = KEYS[event.key] ?? (radio || scrolls ? undefined : ARROWS[event.key]);
  if (!action) return;
  event.preventDefault();
  action();
}

function listen() {
  document.addEventListener("keydown", onKey);
  $("form").addEventListener("input", (event) => {
    say("");
    if (event.target.id === "comment") return;
    point(event.target.closest(".field"), "");
    look();
  });
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  $("accept").addEventListener("click", accept);
  $("correct").addEventListener("click", correct);
  $("reject").addEventListener("click", reject);
  $("undo").addEventListener("click", undo);
  $("previous").addEventListener("click", KEYS.p);
  $("next").addEventListener("click", KEYS.n);
  $("undecided").addEventListener("click", KEYS.u);
  $("help").addEventListener("click", KEYS["?"]);
  $("finish").addEventListener("click", () => $("ending").showModal());
  $("ending").addEventListener("close", () => {
    if ($("ending").returnValue === "finish") alone(finish);
    $("ending").returnValue = "";
  });
  $("go").addEventListener("submit", (event) => {
    event.preventDefault();
    alone(async () => {
      const row = $("row").value.trim();
      if (!/^\d{1,12}$/.test(row)) throw new Refused("Give the number of a row of the table; 1 is the first.");
      const { place } = await ask(`/api/place/${row}`);
      await open(place);
      $("row").value = "";
    });
  });
  $("reason").addEventListener("change", () =>
    alone(async () => {
      const { among: rows, next, after, before, place } = await ask(`/api/rows/${shown.place}${among()}`);
      showKind(rows);
      if (rows.total) await open(next ?? after ?? before ?? place);
    }),
  );
  new ResizeObserver(([{ target }]) => {
    document.documentElement.style.setProperty("--bar", `${target.offsetHeight}px`); // what sticks stays below it
  }).observe(document.querySelector(".bar"));
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("values").focus();
    $("values").scrollIntoView();
  });
  addEventListener("beforeunload", (event) => {
    if (shown && !desk.over && (commented() || (!asKept() && !asRead()))) event.preventDefault();
  });
}

async function start() {
  await enter("grace review");
  const review = await ask("/api/review");
  blind = review.blind;
  $("about").textContent = `${review.run}, as ${review.by}${blind ? ", blind" : ""}`;
  $("values").textContent = blind ? "What does the answer say?" : "What was read";
  const reasons = Object.entries(review.reasons).map(([name, words]) => make("option", { value: name }, words));
  $("reason").replaceChildren(make("option", { value: "" }, "all rows"), ...reasons);
  $("reason-box").hidden = !reasons.length;
  if (blind) $("save-name").textContent = "Save";
  $("about").title = review.study;
  const kept = Number(sessionStorage.getItem("place") ?? NaN);
  await open(kept >= 0 && kept < review.total ? kept : (review.next ?? 0));
}

listen();
alone(start);
