// The page of one run: what it did and is doing, what it cost and left, and what can be done about it.

import { h } from "/page/view.js";
import { act, api, go, keep, local, read, stale, state, toast } from "/page/store.js";
import { away, button, fold, mark, problem, skeleton, value } from "/page/parts.js";
import { form, typedOf } from "/page/form.js";
import { may } from "/page/ask.js";
import { body, headline, OVER, toolbox } from "/page/work.js";
import { follow, watch } from "/page/watch.js";
import { clock, duration, humane, money, toolName, when } from "/page/words.js";

export const page = {
  title: ({ run }) => `Run ${run}`,
  show({ run }) {
    const entry = read(`/api/runs/${run}`);
    if (entry.error && !entry.data)
      return h("div", { class: "page" }, h("h1", { tabindex: "-1" }, "Run"), problem(entry.error));
    const one = watch(run);
    const row = entry.data;
    called(run);
    return h(
      "div",
      { class: "page", "data-run": run, "data-status": one.view.status, "data-seq": String(one.view.seq) },
      h("p", { class: "crumb" }, h("a", { href: "/runs" }, "Runs")),
      h("h1", { tabindex: "-1" }, row ? humane(row.workflow) : "Run"),
      row?.description && h("p", { class: "muted lead" }, row.description),
      headline(one, row),
      row ? [actions(row, one), facts(row)] : skeleton(3),
      row?.pruned
        ? h(
            "p",
            { class: "notice" },
            "Its log is no longer kept; what is left are its effects and their receipts.",
          )
        : body(one, row),
      row && left(row),
      row && forks(row),
      log(one),
    );
  },
};

let shownCall = "";
/** Open the call that the address names, once: sources lead to it. */
function called(run) {
  const id = state.query.get("call");
  if (!id || shownCall === `${run} ${id}`) return;
  const there = document.getElementById(`call-${id}`);
  if (!there) {
    const { view } = watch(run);
    const step = view.steps.find((each) => each.calls.includes(id));
    for (const each of step?.calls ?? [])
      if (!local(`fold calls ${run} ${each}`)) queueMicrotask(() => keep(`fold calls ${run} ${each}`, true));
    if (!step) return;
    return void setTimeout(() => called(run), 60);
  }
  shownCall = `${run} ${id}`;
  queueMicrotask(() => keep(`fold call ${run} ${id}`, true));
  there.scrollIntoView({ block: "center" });
  there.querySelector("summary")?.focus({ preventScroll: true });
}

function actions(row, one) {
  const ended = OVER.has(row.status);
  const did =
    row.status === "done"
      ? Object.values(one.view.calls).some((each) => each.receipt?.effect)
      : row.left.some((each) => each.undo);
  const doing = local(`run ${row.id} doing`, {});
  const sure = local(`run ${row.id} sure`, "");
  const change = (what, done) =>
    act(`run ${row.id} doing`, async () => {
      const after = await api("POST", `/api/runs/${row.id}/${what}`);
      keep(`run ${row.id} sure`, "");
      done(after);
    });
  const deeds = {
    cancel: [
      "Cancel the run",
      "What it has done stays; what goes on in a product is stopped.",
      () => change("cancel", () => (toast("The run is cancelled."), stale("/api"))),
    ],
    undo: [
      "Undo what it did",
      "A run of its own takes it back, verified, and asked call by call.",
      () => change("undo", (after) => go(after.link)),
    ],
  };
  const asks = (what, kind) => button(deeds[what][0], () => keep(`run ${row.id} sure`, what), { kind });
  if (!may("operator")) return null;
  return h(
    "div",
    { class: "actions" },
    sure
      ? h(
          "div",
          {
            class: "sure",
            role: "group",
            "aria-label": deeds[sure][0],
            onkeydown: (event) => event.key === "Escape" && keep(`run ${row.id} sure`, ""),
          },
          h("p", null, deeds[sure][1]),
          h(
            "div",
            { class: "row" },
            button(deeds[sure][0], deeds[sure][2], {
              kind: "danger",
              busy: doing.busy,
              ref: (dom) => queueMicrotask(() => dom.focus()),
            }),
            button("No", () => keep(`run ${row.id} sure`, ""), { kind: "quiet" }),
          ),
        )
      : h(
          "div",
          { class: "row" },
          ["failed", "limited", "waiting"].includes(row.status) &&
            !row.asks.length &&
            button("Go on", () => change("resume", () => (follow(row.id), toast("The run goes on."))), {
              kind: "main",
              busy: doing.busy,
            }),
          !ended && asks("cancel", ""),
          ended && did && asks("undo", ""),
        ),
    doing.error && problem(doing.error),
  );
}

function facts(row) {
  const { tokens = 0, usd, calls = 0, seconds = 0 } = row.spent ?? {};
  const said = [
    ["Begun", when(row.created_at)],
    ["Time at work", duration(seconds)],
    ["Requests", calls.toLocaleString("en")],
    ["Tokens", tokens.toLocaleString("en")],
    ["Cost", !tokens ? "none" : row.offline && !usd ? "none (offline model)" : money(usd)],
    row.batch && ["Batch", h("a", { href: `/batches/${row.batch}` }, row.item ?? row.batch)],
    row.deadline && ["Deadline", when(row.deadline)],
    ["Id", h("code", null, row.id)],
  ].filter(Boolean);
  return [
    h(
      "dl",
      { class: "facts" },
      said.map(([key, it]) => h("div", { key }, h("dt", null, key), h("dd", null, it))),
    ),
    fold(`inputs ${row.id}`, "Inputs", () => value(`${row.id} inputs`, row.inputs), { kind: "quiet" }),
  ];
}

const LEFT = {
  done: ["verified", "done"],
  in_doubt: ["needs_review", "in doubt"],
  going_on: ["running", "going on"],
  refused: ["skipped", "refused"],
  not_sent: ["skipped", "never sent"],
};

function left(row) {
  if (!row.left.length) return null;
  const tools = toolbox();
  return h(
    "section",
    null,
    h("h2", null, "What it leaves behind"),
    h(
      "ul",
      { class: "plain left" },
      row.left.map((each) =>
        h(
          "li",
          { key: each.call },
          mark(LEFT[each.state][0]),
          h(
            "div",
            null,
            h(
              "p",
              null,
              h("strong", null, toolName(tools, each.tool)),
              ` ${LEFT[each.state][1]}`,
              each.message && `: ${each.message}`,
              " ",
              each.link && away(each.link, "look"),
            ),
            h(
              "p",
              { class: "muted" },
              each.undo
                ? ["Taken back by ", h("code", null, each.undo.tool)]
                : each.why_not && `Nothing takes it back: ${each.why_not}`,
            ),
          ),
        ),
      ),
    ),
  );
}

function forks(row) {
  if (!may("operator") || row.pruned || !OVER.has(row.status)) return null;
  const known = read("/api/workflows").data?.find((each) => each.name === row.workflow);
  if (!known || row.steps.length === 0) return null;
  const name = `fork ${row.id}`.replaceAll(/[^\w-]/g, "-");
  const step = local(`${name} step`, row.steps[0].id);
  const start = async (inputs) => {
    const other = Object.fromEntries(
      Object.entries(inputs).filter(([key, it]) => JSON.stringify(it) !== JSON.stringify(row.inputs[key])),
    );
    go((await api("POST", `/api/runs/${row.id}/fork`, { step, inputs: other })).link);
  };
  return fold(
    name,
    "Do it again from a step, with other inputs",
    () =>
      h(
        "div",
        { class: "forking" },
        h(
          "div",
          { class: "field" },
          h("label", { for: `${name}-step` }, "From step"),
          h(
            "select",
            {
              id: `${name}-step`,
              value: step,
              onchange: (event) => keep(`${name} step`, event.target.value),
            },
            row.steps.map((each) => h("option", { key: each.id, value: each.id }, each.id)),
          ),
          h("p", { class: "help" }, "What was before it is taken over, and not done again."),
        ),
        form(name, known, start, null, typedOf(row.inputs)),
      ),
    { kind: "panel" },
  );
}

function log({ view, run }) {
  if (!view.log.length) return null;
  return fold(
    `log ${run}`,
    `Event log (${view.log.length})`,
    () =>
      h(
        "ol",
        { class: "log", tabindex: "0", "aria-label": "Event log" },
        view.log.map((each) =>
          h(
            "li",
            { key: each.seq, "data-seq": String(each.seq) },
            h("span", { class: "muted" }, String(each.seq)),
            h("time", { datetime: each.at }, clock(each.at)),
            h("code", null, each.type),
            h("span", { class: "muted" }, each.of),
          ),
        ),
      ),
    { kind: "quiet" },
  );
}
