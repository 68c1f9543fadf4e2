// Runs that are on the page are followed: their log is read once, and then the stream goes on from its last number.
// Whatever breaks, the stream is taken up after the last event that was seen; `reduce` leaves out what came twice.

import { announce, api, change, stale } from "/page/store.js";
import { empty, reduce } from "/page/run.js";

const STREAMS = 3; // a browser has six connections to a server, for all of its tabs
const EVERY = 2000;
const AGAIN = 1000;

const watched = new Map();
let wanted = new Set();

/** Return what is known of a run, and follow it for as long as it is shown. */
export function watch(run) {
  wanted.add(run);
  let one = watched.get(run);
  if (!one) {
    one = { run, view: empty(run), link: "loading", error: null };
    watched.set(run, one);
    begin(one);
  }
  return one;
}

/** Have a run's row asked for again when its log has gone on without it. */
export function level(one, row) {
  const { seq, status, reason } = one.view;
  if (!row || !seq || (row.status === status && row.reason === reason) || one.levelled === seq) return;
  one.levelled = seq;
  queueMicrotask(() => stale(`/api/runs/${one.run}`));
}

/** Stop following what is not shown any more. */
export function unwatch() {
  for (const [run, one] of watched) {
    if (wanted.has(run)) continue;
    quit(one);
    if (one.link !== "ended") watched.delete(run);
  }
  wanted = new Set();
}

/** Follow a run again that had ended, since it was told to go on. */
export function follow(run) {
  const one = watched.get(run);
  if (one?.link === "ended") begin(one);
  stale("/api/runs");
}

function quit(one) {
  one.source?.close();
  clearTimeout(one.timer);
  one.source = one.timer = null;
}

const ENDS = new Set(["done", "failed", "limited", "cancelled"]);

async function begin(one) {
  quit(one);
  const turn = (one.turn = (one.turn ?? 0) + 1);
  try {
    const { events } = await api("GET", `/api/runs/${one.run}/events?after=${one.view.seq}`);
    if (turn !== one.turn) return undefined;
    take(one, events, one.link !== "loading");
    one.error = null;
  } catch (error) {
    if (turn !== one.turn) return undefined;
    one.error = error;
    if (error.status && error.status !== 429 && error.status < 500) return change();
    return lost(one);
  }
  if (watched.get(one.run) !== one) return undefined;
  return stream(one);
}

function stream(one) {
  const open = [...watched.values()].filter((each) => each.source).length;
  if (open >= STREAMS || document.hidden) {
    one.link = ENDS.has(one.view.status) ? "ended" : "open";
    if (one.link === "open") one.timer = setTimeout(() => begin(one), EVERY);
    return change();
  }
  const source = (one.source = new EventSource(`/api/runs/${one.run}/events?after=${one.view.seq}`));
  source.onopen = () => {
    one.link = "open";
    change({ lost: false });
  };
  source.onmessage = (message) => take(one, [JSON.parse(message.data)], true);
  source.addEventListener("end", () => {
    quit(one);
    one.link = "ended";
    stale("/api/runs", "/api/approvals", "/api/batches", "/api/threads/");
  });
  source.onerror = () => lost(one);
  return change();
}

function lost(one) {
  if (one.source && one.source.readyState === EventSource.CONNECTING) {
    one.link = "lost";
    return change();
  }
  quit(one);
  one.link = "lost";
  one.timer = setTimeout(() => begin(one), AGAIN);
  return change();
}

function take(one, events, live) {
  for (const event of events) {
    const before = one.view;
    one.view = reduce(before, event);
    if (one.view.gap) {
      begin(one);
      break;
    }
    if (live && one.view !== before) tell(event);
  }
  change();
}

const ENDING = {
  "run.done": "is done",
  "run.failed": "has failed",
  "run.limited": "has reached a limit",
  "run.cancelled": "is cancelled",
};

/** Say aloud what is worth it, which is not every call, and look again at what an event has changed elsewhere. */
function tell(event) {
  if (event.type === "step.started") announce(`Step ${event.step} has begun.`);
  if (event.type === "ask") announce("A person is asked to decide.");
  if (event.type in ENDING) announce(`The run ${ENDING[event.type]}.`);
  if (
    ["ask", "decision", "run.waiting", "run.resumed", "exchange"].includes(event.type) ||
    event.type in ENDING
  ) {
    if (event.type !== "exchange" || event.data.reply?.kind === "decision")
      stale("/api/approvals", `/api/runs/${event.run}`);
  }
}

document.addEventListener("visibilitychange", () => {
  for (const one of watched.values()) if (one.link !== "ended") begin(one);
});

/** Whether some run on the page has lost its stream. */
export const broken = () => [...watched.values()].some((one) => one.link === "lost" && wanted.has(one.run));
