// Batches: a workflow over the items of a file, sent from here, with what it has come to.

import { h } from "/page/view.js";
import { act, api, go, keep, live, local, read, stale } from "/page/store.js";
import { button, got, icon, mark, nothing, problem } from "/page/parts.js";
import { field } from "/page/form.js";
import { may } from "/page/ask.js";
import { duration, humane, money, plural, when } from "/page/words.js";

const TONES = {
  running: "live",
  waiting: "warn",
  ended: "ok",
  limited: "bad",
  failed: "bad",
  stopped: "warn",
};
const WORDS = { limited: "At a limit", away: "Carried on elsewhere", keyless: "Waiting for a key" };
const RESTING = ["stopped", "limited", "failed", "keyless", "away"];
const badgeOf = (state) =>
  h(
    "span",
    { class: `badge ${TONES[state] ?? "idle"}`, "data-status": state },
    WORDS[state] ?? humane(state),
  );

export const list = {
  title: () => "Batches",
  show() {
    return h(
      "div",
      { class: "page" },
      h("h1", { tabindex: "-1" }, "Batches"),
      may("operator") && upload(),
      got(
        live("/api/batches", 4),
        (all) =>
          all.length
            ? h(
                "ul",
                { class: "rows", "aria-label": "Batches" },
                all.map((each) =>
                  h(
                    "li",
                    { key: each.id },
                    h(
                      "a",
                      { class: "row-link", href: `/batches/${each.id}` },
                      h(
                        "span",
                        { class: "row-main" },
                        h("strong", null, humane(each.workflow)),
                        h("span", { class: "muted clip" }, String(each.items).split("/").at(-1)),
                      ),
                      h(
                        "span",
                        { class: "row-side" },
                        badgeOf(each.state),
                        each.progress &&
                          h("span", { class: "muted" }, `${each.progress.done} of ${each.progress.total}`),
                        h("time", { class: "muted", datetime: each.created_at }, when(each.created_at)),
                        h("code", { class: "id" }, each.id),
                      ),
                    ),
                  ),
                ),
              )
            : nothing("No batches yet", "Send a file of items, one run each: JSON lines, or a table as CSV."),
        4,
      ),
    );
  },
};

function upload() {
  const doing = local("upload doing", {});
  const {
    name = "",
    concurrency = "",
    limit_usd = "",
    skip_bad = false,
    workflow = "",
    missing = "",
  } = local("upload", {});
  const put = (key) => (value) => keep("upload", { ...local("upload", {}), [key]: value, missing: "" });
  const names = (read("/api/workflows").data ?? [])
    .filter((each) => !each.problems.length)
    .map((each) => each.name);
  const send = (event) => {
    event.preventDefault();
    const file = document.getElementById("batch-file").files[0];
    const given = local("upload", {});
    if (!file || !given.workflow) return keep("upload", { ...given, missing: file ? "workflow" : "file" });
    const body = new FormData();
    body.set("file", file);
    for (const key of ["workflow", "name", "concurrency", "limit_usd", "skip_bad"])
      if (given[key]) body.set(key, String(given[key]));
    return act("upload doing", async () => {
      const made = await api("POST", "/api/batches", body);
      stale("/api/batches");
      go(`/batches/${made.id}`);
    });
  };
  return h(
    "details",
    { class: "fold panel" },
    h("summary", null, icon("chevron", "turn"), h("span", { class: "title" }, "New batch")),
    h(
      "form",
      { class: "form inside", onsubmit: send, "aria-label": "New batch", novalidate: true },
      h(
        "div",
        { class: `field ${missing === "file" ? "wrong" : ""}` },
        h("label", { for: "batch-file" }, "File with the items"),
        h("input", {
          type: "file",
          id: "batch-file",
          accept: ".jsonl,.csv,.json,.txt",
          "aria-describedby": "batch-file-help",
        }),
        missing === "file" && h("p", { class: "error", role: "alert" }, "Choose a file."),
        h(
          "p",
          { class: "help", id: "batch-file-help" },
          "JSON lines or CSV; each item has the workflow’s inputs by their names.",
        ),
      ),
      field({
        id: "batch-workflow",
        label: "Workflow",
        type: "string",
        required: true,
        choices: names,
        value: workflow,
        error: missing === "workflow" ? "Choose a workflow." : "",
        put: put("workflow"),
      }),
      field({ id: "batch-name", label: "Name", type: "string", value: name, put: put("name") }),
      field({
        id: "batch-concurrency",
        label: "Runs at a time",
        type: "integer",
        value: concurrency,
        put: put("concurrency"),
      }),
      field({
        id: "batch-limit",
        label: "Limit in dollars",
        type: "number",
        value: limit_usd,
        put: put("limit_usd"),
      }),
      field({
        id: "batch-skip",
        label: "Leave out items that are wrong",
        type: "boolean",
        value: skip_bad,
        put: put("skip_bad"),
      }),
      doing.error && problem(doing.error),
      h(
        "div",
        { class: "row" },
        h(
          "button",
          { type: "submit", class: "button main", disabled: doing.busy },
          doing.busy ? "Sending…" : "Start the batch",
        ),
      ),
    ),
  );
}

export const page = {
  title: ({ batch }) => `Batch ${batch}`,
  show: ({ batch }) =>
    h(
      "div",
      { class: "page" },
      h("p", { class: "crumb" }, h("a", { href: "/batches" }, "Batches")),
      got(live(`/api/batches/${batch}`, 2), shown, 5),
    ),
};

function shown(batch) {
  const { progress = {}, waits = [] } = batch;
  const doing = local(`batch ${batch.id}`, {});
  const limit = `limit ${batch.id}`;
  const change = (what, terms) =>
    act(`batch ${batch.id}`, async () => {
      await api("POST", `/api/batches/${batch.id}/${what}`, terms);
      stale("/api/batches");
    });
  const goOn = () => change("resume", local(limit) ? { limit_usd: Number(local(limit)) } : {});
  const part = (count) => ({ width: `${progress.total ? (100 * count) / progress.total : 0}%` });
  const facts = [
    ["Done", progress.done],
    ["Failed", progress.failed],
    ["Waiting", progress.waiting],
    ["Running", progress.running],
    ["Left", progress.left],
    ["Healed calls", progress.healed],
    ["Cost", progress.usd === undefined ? null : money(progress.usd)],
    [
      "A minute",
      progress.rate ? (60 * progress.rate).toLocaleString("en", { maximumFractionDigits: 1 }) : null,
    ],
    ["Time left", progress.eta ? duration(progress.eta) : null],
  ];
  return h(
    "div",
    { class: "work" },
    h("h1", { tabindex: "-1" }, humane(batch.workflow)),
    h(
      "p",
      { class: "headline" },
      badgeOf(batch.state),
      h("span", null, String(batch.items).split("/").at(-1)),
      h("code", null, batch.id),
    ),
    batch.why && h("p", { class: "notice" }, batch.why),
    progress.paused && h("p", { class: "notice" }, `Paused: ${progress.paused}`),
    h(
      "div",
      {
        class: "progress",
        role: "progressbar",
        "aria-label": "Items done",
        "aria-valuemin": "0",
        "aria-valuemax": String(progress.total ?? 0),
        "aria-valuenow": String((progress.done ?? 0) + (progress.failed ?? 0)),
      },
      h("div", { class: "ok", style: part(progress.done ?? 0) }),
      h("div", { class: "bad", style: part(progress.failed ?? 0) }),
      h("div", { class: "warn", style: part(progress.waiting ?? 0) }),
    ),
    h(
      "dl",
      { class: "facts" },
      facts
        .filter((each) => each[1] !== null && each[1] !== undefined)
        .map(([key, it]) =>
          h(
            "div",
            { key },
            h("dt", null, key),
            h("dd", null, typeof it === "number" ? it.toLocaleString("en") : it),
          ),
        ),
    ),
    doing.error && problem(doing.error),
    batch.state === "limited" &&
      may("operator") &&
      field({
        id: `batch-${limit}`.replaceAll(/[^\w-]/g, "-"),
        label: "Another limit in dollars",
        type: "number",
        help: "In all, with what is spent already.",
        value: local(limit, ""),
        put: (typed) => keep(limit, typed),
      }),
    h(
      "div",
      { class: "row" },
      may("operator") &&
        ["running", "waiting"].includes(batch.state) &&
        button("Stop", () => change("stop"), { busy: doing.busy }),
      may("operator") &&
        RESTING.includes(batch.state) &&
        button("Go on", goOn, { kind: "main", busy: doing.busy }),
      h(
        "a",
        { class: "button", href: `/api/batches/${batch.id}/output`, download: `${batch.id}-output.jsonl` },
        "Results",
      ),
      h(
        "a",
        { class: "button", href: `/api/batches/${batch.id}/errors`, download: `${batch.id}-errors.jsonl` },
        "Errors",
      ),
      h("a", { class: "button", href: `/runs?batch=${batch.id}` }, "Its runs"),
    ),
    waits.length > 0 &&
      h(
        "section",
        null,
        h("h2", null, `Waiting: ${plural(waits.length, "item")}`),
        h(
          "ul",
          { class: "plain left" },
          waits.map((each) =>
            h(
              "li",
              { key: each.run },
              mark("waiting"),
              h(
                "div",
                null,
                h("a", { href: `/runs/${each.run}` }, each.custom_id),
                h("span", { class: "muted" }, ` ${each.reason}`),
              ),
            ),
          ),
        ),
      ),
  );
}
