// A question that only a person may answer: the exact arguments, what each answer does, and until when it stands.

import { h } from "/page/view.js";
import { act, api, keep, know, local, now, read, stale, state, toast } from "/page/store.js";
import { button, chip, diff, icon, problem, value } from "/page/parts.js";
import { asTyped, field, parsed, typeOf } from "/page/form.js";
import { decided, duration, humane, toolName } from "/page/words.js";

const TITLES = { approval: "Needs your approval", auth: "Needs a key", review: "Needs a look" };
const LEVELS = ["viewer", "operator", "approver", "admin"];

/** Whether who looks at the page may do what needs this level. */
export const may = (level) => LEVELS.indexOf(state.about?.level ?? "viewer") >= LEVELS.indexOf(level);

/** Return a question with everything that an answer rests on, and the answers that there are. */
export function question(ask, tools) {
  const name = `ask ${ask.id}`;
  const typed = local(`${name} typed`, null);
  const heading = `${ask.id}-title`.replaceAll(/[^\w-]/g, "-");
  return h(
    "section",
    { key: ask.id, class: `ask ${ask.reason}`, "aria-labelledby": heading, "data-ask": ask.id },
    h(
      "div",
      { class: "ask-head" },
      icon("hand"),
      h("h2", { id: heading, tabindex: "-1" }, TITLES[ask.reason] ?? "Needs you"),
      ask.tool && chip(toolName(tools, ask.tool), "tool"),
      !ask.decision && expiry(ask),
    ),
    h("p", { class: "asked" }, ask.question),
    ask.diff.length > 0 && diff(ask.diff.join("\n")),
    typed
      ? editor(ask, name, typed)
      : Object.keys(ask.arguments).length > 0 &&
          h(
            "div",
            { class: "exact" },
            h("p", { class: "about-what" }, ask.editable ? "It would be sent with" : "It is about"),
            value(`${name} arguments`, ask.arguments),
          ),
    ask.decision
      ? answered(ask.decision)
      : may("approver")
        ? answers(ask, name, typed)
        : state.about &&
          h(
            "p",
            { class: "muted" },
            `Only an approver may answer; this key is ${state.about.level === "operator" ? "an operator" : "a viewer"}’s.`,
          ),
  );
}

function expiry(ask) {
  if (!ask.expires_at) return null;
  const left = (Date.parse(ask.expires_at) - now()) / 1000;
  const words = left > 0 ? `${duration(left)} left to answer` : "too late to answer";
  return h(
    "span",
    { class: `expiry ${left < 300 ? "soon" : ""}` },
    icon("clock"),
    h("time", { datetime: ask.expires_at }, words),
  );
}

const answered = (decision) =>
  h(
    "p",
    { class: "answered" },
    `${decided(decision)}${decision.reason ? "" : "."}`,
  );

function answers(ask, name, typed) {
  const doing = local(`${name} doing`, {});
  const reason = local(`${name} reason`, "");
  const denying = local(`${name} denying`, false);
  const send = (approve, more = {}) => answer(ask, name, { approve, ...more });
  if (denying) {
    const id = `${name} reason`.replaceAll(/[^\w-]/g, "-");
    const back = () => keep(`${name} denying`, false);
    return h(
      "form",
      {
        class: "answers",
        onsubmit: (event) => (event.preventDefault(), send(false, { reason: local(`${name} reason`, "") })),
        onkeydown: (event) => event.key === "Escape" && back(),
      },
      field({
        id,
        label: "Why not",
        type: "string",
        help: "The agent is told, and it stays in the receipt.",
        value: reason,
        put: (each) => keep(`${name} reason`, each),
      }),
      ask.no && h("p", { class: "muted" }, `Denying: ${ask.no}.`),
      doing.error && problem(doing.error),
      h(
        "div",
        { class: "row" },
        h("button", { type: "submit", class: "button danger", disabled: doing.busy }, "Deny"),
        button("Back", back, { kind: "quiet" }),
      ),
    );
  }
  return h(
    "div",
    { class: "answers" },
    candidates(ask, send, doing),
    doing.error && problem(doing.error),
    h(
      "div",
      { class: "row" },
      button(
        typed ? "Approve with changes" : ask.reason === "auth" ? "Try again" : "Approve",
        () => approve(ask, name, send),
        { kind: "main", busy: doing.busy },
      ),
      button("Deny", () => keep(`${name} denying`, true), { kind: "", disabled: doing.busy }),
      ask.again && button("Send again", () => send(true, { again: true }), { disabled: doing.busy }),
      ask.editable &&
        !typed &&
        button("Change the arguments", () => keep(`${name} typed`, first(ask)), { kind: "quiet" }),
      typed && button("Leave them as they were", () => keep(`${name} typed`, null), { kind: "quiet" }),
    ),
    (ask.yes || ask.no || ask.again) &&
      h(
        "dl",
        { class: "means" },
        [
          ["Approve", ask.yes],
          ["Deny", ask.no],
          ["Send again", ask.again],
        ]
          .filter((each) => each[1])
          .map(([key, words]) => h("div", { key }, h("dt", null, key), h("dd", null, words))),
      ),
  );
}

function candidates(ask, send, doing) {
  if (!ask.candidates.length) return null;
  return h(
    "div",
    { class: "candidates" },
    h("p", { class: "about-what" }, "It may be one of these"),
    ask.candidates.map((each, at) =>
      h(
        "div",
        { class: "candidate", key: String(each.id ?? at) },
        value(`${ask.id} candidate ${at}`, each),
        button("This is it", () => send(true, { adopt: String(each.id) }), {
          kind: "small",
          busy: doing.busy,
          "aria-label": `This is it: ${each.id}`,
        }),
      ),
    ),
  );
}

const first = (ask) =>
  Object.fromEntries(
    Object.entries(ask.arguments).map(([key, each]) => [
      key,
      { text: asTyped(each, typeOf(each)), type: typeOf(each), error: "" },
    ]),
  );

function editor(ask, name, typed) {
  const schema = read(`/api/tools/${ask.tool}`).data?.arguments?.properties ?? {};
  const put = (key, text) => {
    const now = local(`${name} typed`, typed);
    keep(`${name} typed`, { ...now, [key]: { ...now[key], text, error: "" } });
  };
  return h(
    "div",
    { class: "editor form", role: "group", "aria-label": "Arguments" },
    Object.entries(typed).map(([key, each]) =>
      field({
        id: `${name}-${key}`.replaceAll(/[^\w-]/g, "-"),
        label: humane(key),
        type: each.type,
        help: schema[key]?.description,
        required: true,
        value: each.text,
        error: each.error,
        choices: schema[key]?.enum,
        put: (text) => put(key, text),
      }),
    ),
  );
}

function approve(ask, name, send) {
  const typed = local(`${name} typed`, null);
  if (!typed) return send(true);
  const given = {},
    wrong = {};
  for (const [key, each] of Object.entries(typed)) {
    const { value: it, error } = parsed(each.text, each.type);
    if (error) wrong[key] = { ...each, error };
    else given[key] = it;
  }
  if (Object.keys(wrong).length) return keep(`${name} typed`, { ...typed, ...wrong });
  const same = JSON.stringify(given) === JSON.stringify(ask.arguments);
  return send(true, same ? {} : { arguments: given });
}

async function answer(ask, name, given) {
  const path = `/api/approvals/${encodeURIComponent(ask.id)}`;
  const after = await act(`${name} doing`, () =>
    api("POST", path, { ...given, arguments_hash: ask.arguments_hash }),
  );
  if (!after) return stale("/api/approvals");
  know(path, after);
  keep(`${name} typed`, null);
  toast(given.approve ? "Approved: the run goes on." : "Denied: the run is told.");
  stale("/api");
  return document.getElementById("main")?.focus();
}
