// Conversations: what was said, the runs that came of it as they happen, and where the next wish is typed.

import { h, memo } from "/page/view.js";
import { act, api, go, keep, know, local, read, stale } from "/page/store.js";
import { button, icon, problem, prose, skeleton } from "/page/parts.js";
import { form, typedOf } from "/page/form.js";
import { may } from "/page/ask.js";
import { card, toolbox } from "/page/work.js";
import { humane, plural, toolName, when } from "/page/words.js";

export const home = {
  title: () => "New conversation",
  show() {
    return h(
      "div",
      { class: "page chat home" },
      h(
        "div",
        { class: "hello" },
        h("h1", { tabindex: "-1" }, "What should the team do?"),
        h(
          "p",
          { class: "muted lead" },
          "Say it in your words, or take a workflow. Every call is verified, and healed where it fails.",
        ),
      ),
      composer("new", (text) => begin((id) => say(id, text))),
      offers("new", (name, inputs) => begin((id) => start(id, name, inputs))),
    );
  },
};

export const thread = {
  title: ({ thread: id }) => read(`/api/threads/${id}`).data?.title || "Conversation",
  show({ thread: id }) {
    const { data, error } = read(`/api/threads/${id}`);
    if (!data)
      return h(
        "div",
        { class: "page chat" },
        h("h1", { tabindex: "-1", class: "hidden" }, "Conversation"),
        error ? problem(error) : skeleton(5),
      );
    const sending = local(`sending ${id}`, null);
    const last = data.messages.at(-1);
    const arrived = sending && data.messages.some((each) => each.role === "user" && each.n > sending.after);
    return h(
      "div",
      { class: "page chat" },
      h("div", { class: "chat-head" }, h("h1", { tabindex: "-1" }, data.title || "Conversation"), gone(id)),
      h(
        "div",
        { class: "messages", role: "log", "aria-label": "Conversation", "aria-live": "polite" },
        data.messages.map((each) => message(each, id, each === last)),
        sending !== null && [
          !arrived &&
            h("div", { key: "sending", class: "message user" }, h("p", { class: "text" }, sending.text)),
          h(
            "div",
            { key: "thinking", class: "message assistant" },
            h(
              "p",
              { class: "muted thinking" },
              h("span", { class: "ring", "aria-hidden": "true" }),
              "Reading it…",
            ),
          ),
        ],
      ),
      h(
        "div",
        { class: "dock" },
        composer(id, (text) => say(id, text)),
        local(`offers ${id}`, false) && offers(id, (name, inputs) => start(id, name, inputs)),
      ),
    );
  },
};

function message(each, id, last) {
  const who = each.role === "user" ? "You" : "Definable";
  return h(
    "div",
    { key: String(each.n), class: `message ${each.role}`, "data-n": String(each.n) },
    h(
      "p",
      { class: "who" },
      h("span", { class: each.role === "user" ? "hidden" : "" }, who),
      each.offline && h("span", { class: "muted" }, " offline model"),
      h("time", { class: "hidden", datetime: each.at }, when(each.at)),
    ),
    each.text &&
      (each.role === "user" ? h("p", { class: "text" }, each.text) : memo("said", speech, each.text)),
    each.missing?.length > 0 && last && asksBack(each, id),
    each.run && h("div", { key: "run", "aria-live": "off" }, card(each.run)),
  );
}

const speech = (text) => prose(text, { base: 2 });

/** Return the form of the workflow that an answer asks inputs for. */
function asksBack(each, id) {
  const workflow = (read("/api/workflows").data ?? []).find((one) => one.name === each.workflow);
  if (!workflow) return null;
  return h(
    "div",
    { class: "panel" },
    form(
      `${id}-${each.n}`,
      workflow,
      (inputs) => start(id, workflow.name, inputs),
      null,
      typedOf(each.inputs),
    ),
  );
}

function gone(id) {
  const sure = local(`gone ${id}`, false);
  if (!may("operator")) return null;
  if (!sure)
    return button("Delete", () => keep(`gone ${id}`, true), {
      kind: "quiet small",
      "aria-label": "Delete the conversation",
    });
  const deed = () =>
    act(`gone ${id} doing`, async () => {
      await api("DELETE", `/api/threads/${id}`);
      stale("/api/threads");
      go("/");
    });
  return h(
    "div",
    { class: "row", role: "group", "aria-label": "Delete the conversation" },
    h("span", { class: "muted" }, "Its runs stay."),
    button("Delete", deed, { kind: "danger small" }),
    button("Keep", () => keep(`gone ${id}`, false), { kind: "quiet small" }),
  );
}

// What is done

const once = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, "0")).join(
    "",
  );

async function begin(first) {
  const made = await api("POST", "/api/threads", {});
  know(`/api/threads/${made.id}`, { ...made, messages: [] });
  stale("/api/threads");
  go(`/chat/${made.id}`);
  await first(made.id);
}

async function say(id, text) {
  const after = read(`/api/threads/${id}`).data?.messages.at(-1)?.n ?? 0;
  keep(`sending ${id}`, { text, after }); // it may come back with the conversation before it is answered
  try {
    added(id, await api("POST", `/api/threads/${id}/messages`, { text }, { "idempotency-key": once() }));
  } catch (error) {
    keep(`draft ${id}`, text); // what was typed is not lost
    keep(`doing ${id}`, { error });
  } finally {
    keep(`sending ${id}`, null);
  }
}

async function start(id, workflow, inputs) {
  added(id, await api("POST", `/api/threads/${id}/runs`, { workflow, inputs }));
  keep(`offers ${id}`, false);
}

function added(id, { messages }) {
  const path = `/api/threads/${id}`;
  const known = read(path).data?.messages ?? [];
  const have = new Set(known.map((each) => each.n));
  know(path, { ...read(path).data, messages: [...known, ...messages.filter((each) => !have.has(each.n))] });
  stale("/api/threads", "/api/runs");
}

// What is shown below

function composer(id, send) {
  const draft = local(`draft ${id}`, "");
  const doing = local(`doing ${id}`, {});
  const busy = doing.busy || local(`sending ${id}`, null) !== null;
  const sent = () => {
    const text = local(`draft ${id}`, "").trim();
    if (!text || busy) return;
    keep(`draft ${id}`, "");
    act(`doing ${id}`, () => send(text)).then(() => document.getElementById("say")?.focus());
  };
  const pressed = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sent();
  };
  if (!may("operator")) return h("p", { class: "notice" }, "This key may look, and not start runs.");
  return h(
    "form",
    {
      class: "composer",
      onsubmit: (event) => (event.preventDefault(), sent()),
      "aria-label": "Say what you want",
    },
    doing.error && problem(doing.error),
    h(
      "div",
      { class: "box" },
      h("label", { for: "say", class: "hidden" }, "What should be done"),
      h("textarea", {
        id: "say",
        rows: String(Math.min(10, Math.max(2, draft.split("\n").length))),
        value: draft,
        placeholder: "Say what you want…",
        oninput: (event) => keep(`draft ${id}`, event.target.value),
        onkeydown: pressed,
        "aria-describedby": "say-help",
      }),
      h(
        "div",
        { class: "box-foot" },
        id !== "new" &&
          button("Workflows", () => keep(`offers ${id}`, !local(`offers ${id}`, false)), {
            kind: "quiet small",
            sign: "plus",
            "aria-expanded": String(local(`offers ${id}`, false)),
          }),
        h("span", { class: "muted help", id: "say-help" }, "Enter sends, Shift+Enter begins a new line"),
        h(
          "button",
          {
            type: "submit",
            class: "button main round",
            disabled: busy || !draft.trim(),
            "aria-label": "Send",
          },
          icon("send"),
        ),
      ),
    ),
  );
}

/** Return the workflows, each with what it does; the chosen one with its form. */
function offers(id, begun) {
  const { data, error } = read("/api/workflows");
  if (!data) return error ? problem(error) : skeleton(3);
  const chosen = data.find((each) => each.name === local(`chosen ${id}`, null));
  const choose = (name) => keep(`chosen ${id}`, name);
  if (chosen) {
    return h(
      "section",
      { class: "panel", "aria-labelledby": `chosen-${id}` },
      h(
        "h2",
        { id: `chosen-${id}`, tabindex: "-1", ref: (dom) => queueMicrotask(() => dom.focus()) },
        humane(chosen.name),
      ),
      h("p", { class: "muted" }, chosen.description),
      steps(chosen),
      form(
        `form-${id}-${chosen.name}`,
        chosen,
        (inputs) => begun(chosen.name, inputs).then(() => choose(null)),
        () => choose(null),
      ),
    );
  }
  return h(
    "section",
    { class: "offers", "aria-label": "Workflows" },
    data.map((each) =>
      each.problems.length
        ? h(
            "div",
            { key: each.name, class: "offer broken" },
            h("strong", null, humane(each.name)),
            h("p", { class: "error" }, each.problems[0]),
            each.problems.length > 1 &&
              h("p", { class: "muted" }, `and ${plural(each.problems.length - 1, "more problem")}`),
          )
        : h(
            "button",
            {
              key: each.name,
              type: "button",
              class: "offer",
              disabled: !may("operator"),
              onclick: () => choose(each.name),
            },
            h("strong", null, humane(each.name)),
            h("span", { class: "muted" }, each.description),
            steps(each),
          ),
    ),
  );
}

/** Return who does what, in order; what comes twice in a row is said once. */
function steps(workflow) {
  const tools = toolbox();
  const names = workflow.steps.map((each) => (each.agent ? humane(each.agent) : toolName(tools, each.call)));
  return h(
    "span",
    { class: "team" },
    names.filter((each, at) => each !== names[at - 1]).map((each) => h("span", { class: "who-does" }, each)),
  );
}
