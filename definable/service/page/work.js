// A run as it is seen: its steps with their calls as they happen, what it asks, and what it came to.

import { h } from "/page/view.js";
import { now, read, state } from "/page/store.js";
import { away, badge, chip, copier, icon, mark, problem, skeleton, value } from "/page/parts.js";
import { artifact, told } from "/page/artifacts.js";
import { calls } from "/page/tool.js";
import { question } from "/page/ask.js";
import { level, watch } from "/page/watch.js";
import { tally } from "/page/run.js";
import { between, clock, duration, humane, plural, toolName } from "/page/words.js";

/** Statuses of a run in which nothing more happens by itself. */
export const OVER = new Set(["done", "failed", "limited", "cancelled"]);

/** Return the tools by their slug, as far as they are known. */
export function toolbox() {
  const { data } = read("/api/tools");
  if (data && data !== state.toolsOf)
    Object.assign(state, { toolsOf: data, tools: Object.fromEntries(data.map((each) => [each.slug, each])) });
  return state.tools;
}

/** Return how a run stands in one line: its state, how long it takes, how many calls, how many were healed. */
export function headline(one, row) {
  const { view } = one;
  const status = row && view.seq === 0 ? row.status : view.status;
  const seconds = view.begun
    ? OVER.has(status) || status === "waiting"
      ? between(view.begun, view.last)
      : (now() - Date.parse(view.begun)) / 1000
    : null;
  const counted = tally(view);
  return h(
    "p",
    { class: "headline" },
    badge(status, view.reason || row?.reason),
    seconds !== null && h("span", null, duration(Math.max(seconds, 0))),
    counted.calls > 0 && h("span", null, `${plural(counted.verified, "call")} verified`),
    counted.healed > 0 && chip(`${counted.healed} healed`, "heal", "heal"),
    row?.sandbox && chip("simulator"),
    (row?.offline || view.steps.some((each) => each.offline)) && chip("offline model"),
  );
}

/** Return the card of a run within a conversation. */
export function card(run) {
  const one = watch(run);
  const row = read(`/api/runs/${run}`).data;
  return h(
    "article",
    {
      key: run,
      class: "card run",
      "aria-label": `Run ${run}`,
      "data-run": run,
      "data-status": one.view.status,
      "data-seq": String(one.view.seq),
    },
    h(
      "header",
      null,
      h(
        "div",
        { class: "name" },
        h("a", { href: `/runs/${run}` }, row ? humane(row.workflow) : "Run"),
        h("code", null, run),
      ),
      headline(one, row),
    ),
    body(one, row),
  );
}

/** Return what happens in a run, and what comes of it. */
export function body(one, row) {
  const { view } = one;
  level(one, row);
  if (one.error && !view.seq) return problem(one.error);
  if (!row && !view.seq) return skeleton(3);
  const tools = toolbox();
  const open = row?.status === "waiting" || view.status === "waiting" ? (row?.asks ?? []) : [];
  return h(
    "div",
    { class: "work" },
    h(
      "ol",
      { class: "steps", "aria-label": "Steps" },
      planned(view, row).map((step) => shownStep(step, view, tools)),
    ),
    open.map((ask) => question(ask, tools)),
    standstill(view, row, open),
    wrong(view, row),
    result(view, row, tools),
  );
}

/** Return the steps that have begun, and after them those that are to come. */
function planned(view, row) {
  const known = new Map((row?.steps ?? []).map((each) => [each.id, { agent: each.agent, tool: each.call }]));
  const begun = view.steps.map((each) => ({
    ...each,
    agent: each.agent ?? known.get(each.id)?.agent,
    tool: each.tool ?? known.get(each.id)?.tool,
  }));
  const state = OVER.has(view.status) ? "skipped" : "pending";
  const rest = [...known]
    .filter(([id]) => !begun.some((each) => each.id === id))
    .map(([id, each]) => ({ id, state, ...each, calls: [] }));
  return [...begun, ...rest];
}

function shownStep(step, view, tools) {
  const known = step.state === "pending" || step.state === "skipped";
  const still = view.status === "waiting" && step.state === "running" ? "waiting" : step.state;
  const [title, more] = step.agent
    ? [humane(step.agent), step.id]
    : [humane(step.id), toolName(tools, step.tool)];
  const words = {
    running: "is at work",
    waiting: "waits",
    pending: "to come",
    skipped: "left out",
    done: "",
    failed: "failed",
    limited: "stopped at a limit",
    cancelled: "cancelled",
  };
  return h(
    "li",
    { key: step.id, class: `step ${still}`, "data-step": step.id },
    mark(still === "pending" ? "queued" : still),
    h(
      "div",
      { class: "step-body" },
      h(
        "p",
        { class: "step-head" },
        h("h2", null, title),
        h("span", { class: "muted" }, more),
        words[still] && h("span", { class: "muted" }, words[still]),
        !known &&
          step.turns > 0 &&
          h(
            "span",
            { class: "muted end" },
            `${plural(step.turns, "turn")}, ${step.tokens.toLocaleString("en")} tokens`,
          ),
      ),
      step.when &&
        h("p", { class: "muted" }, "Left out, since this does not hold: ", h("code", null, step.when)),
      known
        ? null
        : [
            calls(step, view, tools),
            step.sentBack.map(back),
            step.refused.map(refused),
            step.takenBy &&
              h("p", { class: "muted" }, `Taken as it is by ${step.takenBy}, though not all of it traces.`),
            step.artifact && artifact(step, view, tools),
          ],
    ),
  );
}

const back = (each, at) =>
  h(
    "div",
    { class: "back", key: `back ${at}` },
    h("p", null, icon("heal"), " The Verifier sent it back: not all of it could be traced."),
    h(
      "ul",
      null,
      each.reasons.map((why) => h("li", null, why)),
    ),
  );

const refused = (each, at) =>
  h(
    "div",
    { class: "back", key: `refused ${at}` },
    h("p", null, icon("cross"), ` ${each.tool} was not allowed: ${each.why}`),
  );

function standstill(view, row, open) {
  if (view.status !== "waiting" || open.length) return null;
  const until = view.until ?? row?.until;
  const keys = view.notes.filter((each) => each.what === "key").at(-1);
  const words =
    view.reason === "auth"
      ? "It waits for a key, and goes on by itself when there is one."
      : until
        ? `It goes on by itself at ${clock(until)}, in ${duration(Math.max(0, (Date.parse(until) - now()) / 1000))}.`
        : "It waits.";
  return h(
    "div",
    { class: "notice" },
    icon("clock"),
    h(
      "div",
      null,
      h("p", null, words),
      keys &&
        h(
          "ul",
          null,
          Object.entries(keys.sources).map(([name, how]) => h("li", null, h("code", null, name), ` ${how}`)),
        ),
    ),
  );
}

function wrong(view, row) {
  const error = view.error ?? (view.seq ? null : row?.error);
  if (!error) return null;
  const words =
    typeof error === "string" ? error : (error.message ?? error.error ?? "No reason was recorded.");
  return h(
    "div",
    { class: "problem" },
    h("p", null, h("strong", null, words)),
    error.hint && h("p", { class: "muted" }, error.hint),
  );
}

/** Return what a run gives: texts as texts with their sources, addresses as links, the rest as it is. */
function result(view, row, tools) {
  const outputs = view.outputs ?? row?.outputs;
  if (!outputs || !Object.keys(outputs).length) return null;
  const entries = Object.entries(outputs).filter((each) => each[1] !== null);
  const texts = entries.filter(([, it]) => typeof it === "string" && (it.includes("\n") || it.length > 200));
  const links = entries.filter(([, it]) => typeof it === "string" && /^https?:\/\//.test(it));
  const rest = entries.filter((each) => !texts.includes(each) && !links.includes(each));
  return h(
    "section",
    { class: "result", "aria-label": "Result" },
    h("h2", null, "Result"),
    links.length > 0 &&
      h(
        "p",
        { class: "links" },
        links.map(([key, it]) => away(it, key === "link" ? "Open it in the product" : humane(key))),
      ),
    texts.map(([key, it]) =>
      h("div", { key, class: "text-result" }, told(it, view, tools), copier(it, humane(key).toLowerCase())),
    ),
    rest.length > 0 && value(`${view.run} outputs`, Object.fromEntries(rest)),
  );
}
