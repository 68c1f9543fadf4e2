// The list of runs: searched, filtered, page by page.

import { h } from "/page/view.js";
import { api, go, keep, live, local, read, state } from "/page/store.js";
import { badge, button, got, nothing, value } from "/page/parts.js";
import { form } from "/page/form.js";
import { humane, short, standing, when } from "/page/words.js";

const STATUSES = ["queued", "running", "waiting", "done", "failed", "limited", "cancelled"];

export const list = {
  title: () => "Runs",
  show() {
    const query = new URLSearchParams(
      [...state.query].filter(([key]) => ["q", "status", "workflow", "batch", "before"].includes(key)),
    );
    const entry = live(`/api/runs?${query}`, 4);
    const found = [...query.keys()].some((key) => key !== "before");
    return h(
      "div",
      { class: "page" },
      h("h1", { tabindex: "-1" }, "Runs"),
      filters(query),
      got(
        entry,
        ({ runs, next }) =>
          runs.length
            ? [table(runs), pager(query, next)]
            : nothing(
                found ? "No run is like that" : "No runs yet",
                found
                  ? "Look for other words, or leave out a filter."
                  : "A run begins in a conversation, by a trigger, or from the command line.",
                found
                  ? h("a", { class: "button", href: "/runs" }, "Show all runs")
                  : h("a", { class: "button main", href: "/" }, "Start one"),
              ),
        8,
      ),
    );
  },
};

function filters(query) {
  const put = (name, to) => {
    const next = new URLSearchParams(query);
    next.delete("before");
    if (to) next.set(name, to);
    else next.delete(name);
    go(`/runs${next.size ? `?${next}` : ""}`, true);
  };
  const names = (read("/api/workflows").data ?? []).map((each) => each.name);
  const chosen = (name, label, words, options) =>
    h(
      "label",
      { class: "filter" },
      h("span", { class: "hidden" }, label),
      h(
        "select",
        { value: query.get(name) ?? "", onchange: (event) => put(name, event.target.value) },
        h("option", { value: "" }, words),
        options.map((each) =>
          h(
            "option",
            { key: each, value: each, selected: each === query.get(name) },
            name === "status" ? standing(each) : each,
          ),
        ),
      ),
    );
  return h(
    "form",
    { class: "filters", role: "search", "aria-label": "Runs", onsubmit: (event) => event.preventDefault() },
    h(
      "label",
      { class: "filter grow" },
      h("span", { class: "hidden" }, "Search runs"),
      h("input", {
        type: "search",
        placeholder: "Search by id, workflow or input",
        value: local("runs q", query.get("q") ?? ""),
        oninput: (event) => searched(event.target.value, put),
      }),
    ),
    chosen("status", "Status", "Any status", STATUSES),
    chosen("workflow", "Workflow", "Any workflow", names),
    query.get("batch") &&
      button(`Batch ${query.get("batch")} ×`, () => put("batch", ""), {
        kind: "small",
        "aria-label": `Leave out the filter for batch ${query.get("batch")}`,
      }),
  );
}

let typing;
function searched(text, put) {
  keep("runs q", text);
  clearTimeout(typing);
  typing = setTimeout(() => put("q", text.trim()), 200);
}

function table(runs) {
  return h(
    "ul",
    { class: "rows", "aria-label": "Runs" },
    runs.map((run) =>
      h(
        "li",
        { key: run.id },
        h(
          "a",
          { href: `/runs/${run.id}`, class: "row-link" },
          h(
            "span",
            { class: "row-main" },
            h("strong", null, humane(run.workflow)),
            h("span", { class: "muted clip" }, about(run.inputs)),
          ),
          h(
            "span",
            { class: "row-side" },
            badge(run.status, run.reason),
            h("time", { class: "muted", datetime: run.created_at }, when(run.created_at)),
            h("code", { class: "id" }, run.id),
          ),
        ),
      ),
    ),
  );
}

const about = (inputs) =>
  short(
    Object.entries(inputs)
      .map(([key, it]) => `${key} ${typeof it === "string" ? it : JSON.stringify(it)}`)
      .join(", "),
    120,
  );

function pager(query, next) {
  const older = new URLSearchParams(query);
  older.set("before", next);
  const newest = new URLSearchParams(query);
  newest.delete("before");
  if (!next && !query.has("before")) return null;
  return h(
    "nav",
    { class: "row pager", "aria-label": "Pages" },
    query.has("before") && h("a", { class: "button", href: `/runs?${newest}` }, "Newest"),
    next && h("a", { class: "button", href: `/runs?${older}` }, "Older"),
  );
}
