// What the page knows: the service's answers by their address, what is open or typed, and where the reader is.

export const state = {
  path: "/",
  query: new URLSearchParams(),
  signedOut: false,
  lost: false,
  said: "",
  toast: null,
};

let show = () => {};
let due = false;

/** Say what draws the page. */
export function drawnBy(draw) {
  show = draw;
}

/** Change something, and have the page drawn again before the next frame. */
export function change(part = {}) {
  Object.assign(state, part);
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    show();
  });
}

let ticking = false;

/** Return the time now, and have the page drawn again in a second, as long as it is looked at. */
export function now() {
  if (!ticking) {
    ticking = true;
    setTimeout(() => {
      ticking = false;
      change();
    }, 1000);
  }
  return Date.now();
}

// Requests

/** What the service says is wrong: `detail`, a `hint`, and `errors` with their places. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.status = status;
    this.hint = body.hint ?? "";
    this.errors = body.errors ?? [];
  }
}

/** Ask the service, and return its JSON. A Problem when it refuses, or is not there. */
export async function api(method, path, body, headers = {}) {
  const form = body instanceof FormData;
  const said = body === undefined || form ? body : JSON.stringify(body);
  const kind = body === undefined || form ? {} : { "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, { method, body: said, headers: { ...kind, ...headers } });
  } catch {
    change({ lost: true });
    throw new Problem(0, {
      detail: "The service does not answer.",
      hint: "Its terminal says why; nothing is lost.",
    });
  }
  if (state.lost) change({ lost: false });
  const json = answer.headers.get("content-type")?.includes("json");
  const got = answer.status === 204 ? null : json ? await answer.json() : await answer.text();
  if (answer.status === 401 && path !== "/api/session") change({ signedOut: true });
  if (!answer.ok) throw new Problem(answer.status, json ? got : { detail: got });
  return got;
}

const entries = new Map();
let used = new Set();

/** Return what is known of a GET address: `data`, or an `error`; neither while it is asked for the first time. */
export function read(path) {
  used.add(path);
  const entry = entries.get(path) ?? { stale: true };
  entries.set(path, entry);
  if (entry.stale && !entry.busy) fetchInto(path, entry);
  return entry;
}

/** Return what is known of an address, and have it asked for again every so many seconds while it is shown. */
export function live(path, seconds) {
  const entry = read(path);
  entry.timer ??= setTimeout(() => {
    entry.timer = null;
    entry.stale = true;
    change();
  }, seconds * 1000);
  return entry;
}

const AGAIN = 2000;

/** Whether what is wrong may be over soon: the service is away, or told us to wait. */
const passes = ({ status }) => !status || status === 429 || status >= 500;

async function fetchInto(path, entry) {
  Object.assign(entry, { stale: false, busy: true });
  try {
    const data = await api("GET", path);
    if (JSON.stringify(data) !== entry.text) Object.assign(entry, { data, text: JSON.stringify(data) });
    entry.error = null;
  } catch (error) {
    entry.error = error;
    if (passes(error)) setTimeout(() => (Object.assign(entry, { stale: true }), change()), AGAIN);
  }
  entry.busy = false;
  if (used.has(path)) change();
}

/** Have addresses that begin so asked for again: at once where they are shown, else when they are next. */
export function stale(...starts) {
  for (const [path, entry] of entries) if (starts.some((start) => path.startsWith(start))) entry.stale = true;
  change();
}

/** Put in what was answered to a change, so that it need not be asked for. */
export function know(path, data) {
  entries.set(path, { data, text: JSON.stringify(data), stale: false });
  change();
}

/** Forget all answers, since they were another key's; with `typed`, what was open or typed as well. */
export function forget(typed = false) {
  entries.clear();
  if (typed) kept.clear();
  change();
}

/** Begin a new drawing: what it does not use is forgotten when it grows old. */
export function forgetUnused() {
  const before = used;
  used = new Set();
  if (entries.size > 80) for (const path of entries.keys()) if (!before.has(path)) entries.delete(path);
}

// What is open or typed, by name

const kept = new Map();
export const local = (name, first) => (kept.has(name) ? kept.get(name) : first);
export function keep(name, value) {
  kept.set(name, value);
  change();
}

/** Do something for a button: it is busy meanwhile, and shows what went wrong. */
export async function act(name, deed) {
  if (local(name)?.busy) return undefined;
  keep(name, { busy: true });
  try {
    const got = await deed();
    keep(name, {});
    return got;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    keep(name, { error });
    return undefined;
  }
}

// Where the reader is

/** Go to an address of the page. */
export function go(path, replace = false) {
  const to = new URL(path, location.href);
  history[replace ? "replaceState" : "pushState"]({}, "", to);
  arrive(!replace);
}

/** Take over where the browser is; with `moved`, the reader is taken to the top. */
export function arrive(moved) {
  const there = state.path !== location.pathname;
  for (const entry of entries.values()) entry.stale = true;
  change({
    path: location.pathname,
    query: new URLSearchParams(location.search),
    menu: false,
    moved: moved && there,
  });
}

// What screen readers are told, and what goes by

/** Have a sentence read out, when there is time for it. */
export function announce(text) {
  change({ said: text });
}

let fading;
/** Show a sentence for some seconds. */
export function toast(text) {
  clearTimeout(fading);
  fading = setTimeout(() => change({ toast: null }), 6000);
  change({ toast: text, said: text });
}

// The theme

const dark = matchMedia("(prefers-color-scheme: dark)");
export const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
export function turn() {
  const next = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("definable-theme", next);
  change();
}
