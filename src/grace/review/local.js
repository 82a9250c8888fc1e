// What the local pages share: asking the server, with the token from the address, and making elements out of text.

export const $ = (id) => document.getElementById(id);

let token = "";
let command = "grace";

export class Refused extends Error {
  /** `fields` says what is wrong with which value; `row` is what the page should show by now. */
  constructor(message, fields = {}, row = null) {
    super(message);
    this.fields = fields;
    this.row = row;
  }
}

export async function ask(path, body) {
  const headers = { "X-Grace-Token": token };
  const options = { headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Refused(`${command} does not answer. Does the command still run in the terminal?`);
  }
  const unreadable = { message: `The server answered ${reply.status} and nothing that can be read.` };
  const data = await reply.json().catch(() => unreadable);
  if (!reply.ok) throw new Refused(data.message, data.fields, data.row);
  return data;
}

/** What a page is doing: `busy` with a request, so that keys and buttons wait; `over` once its server is ended. */
export const desk = { busy: false, over: false };

export function say(text) {
  $("status").textContent = text;
  $("trouble").textContent = "";
}

export function complain(text) {
  $("status").textContent = "";
  $("trouble").textContent = text;
}

/** Do one thing at a time, and say what went wrong with it. */
export async function alone(work) {
  if (desk.busy || desk.over) return;
  desk.busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    say("");
    await work();
  } catch (error) {
    complain(error.message);
    if (!(error instanceof Refused)) throw error;
  } finally {
    desk.busy = false;
    document.body.removeAttribute("aria-busy");
    const next = wish;
    wish = null;
    if (next) alone(next);
  }
}

let wish = null;

/** Do one thing, after what is under way; of several that wait, only the newest. For what is shown, not for decisions. */
export async function soon(work) {
  if (desk.busy) wish = work;
  else await alone(work);
}

/** An element with attributes and children; strings become text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Take the token from the address, which loses it, or from before a reload. `name` is the command that serves. */
export async function enter(name) {
  command = name;
  const given = location.hash.slice(1);
  token = sessionStorage.getItem("token") ?? "";
  if (!given) return;
  history.replaceState(null, "", location.pathname);
  const before = token;
  token = given;
  try {
    token = (await ask("/api/enter", {})).token;
    if (token !== before) sessionStorage.clear();
    sessionStorage.setItem("token", token);
  } catch (error) {
    if (!before) throw error;
    token = before;
  }
}
