// Fields for values by their type, and the form that starts a workflow, made of what its file says of its inputs.

import { h } from "/page/view.js";
import { act, keep, local } from "/page/store.js";
import { button, problem } from "/page/parts.js";
import { humane } from "/page/words.js";

/** Return a field with its label, its help and what is wrong with it. `put` is given what is typed. */
export function field({ id, label, type, help, required, value, error, choices, put }) {
  const said = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ") || null;
  const same = {
    id,
    name: label,
    "aria-describedby": said,
    "aria-invalid": error ? "true" : null,
    "aria-required": required && type !== "boolean" ? "true" : null,
  };
  const typed = (event) => put(event.target.value);
  let control;
  if (type === "boolean") {
    control = h("input", {
      ...same,
      type: "checkbox",
      checked: Boolean(value),
      onchange: (event) => put(event.target.checked),
    });
  } else if (choices) {
    const empty = !required || value === "";
    control = h(
      "select",
      { ...same, value: value ?? "", onchange: typed },
      empty && h("option", { value: "" }, "Choose…"),
      choices.map((each) =>
        h(
          "option",
          { key: String(each), value: String(each), selected: String(each) === String(value) },
          String(each),
        ),
      ),
    );
  } else if (type === "integer" || type === "number") {
    control = h("input", {
      ...same,
      type: "text",
      inputmode: type === "integer" ? "numeric" : "decimal",
      value: value ?? "",
      oninput: typed,
    });
  } else if (type === "string" && !long(value)) {
    control = h("input", {
      ...same,
      type: "text",
      value: value ?? "",
      oninput: typed,
      autocomplete: "off",
      spellcheck: "false",
    });
  } else {
    const rows = Math.min(14, Math.max(3, String(value ?? "").split("\n").length + 1));
    control = h("textarea", {
      ...same,
      rows: String(rows),
      value: value ?? "",
      oninput: typed,
      class: type === "string" ? "" : "mono",
      spellcheck: type === "string" ? "true" : "false",
    });
  }
  return h(
    "div",
    { key: id, class: `field ${type} ${error ? "wrong" : ""}` },
    h(
      "label",
      { for: id },
      label,
      !required && type !== "boolean" && h("span", { class: "muted" }, " optional"),
    ),
    control,
    error && h("p", { class: "error", id: `${id}-error` }, error),
    help && h("p", { class: "help", id: `${id}-help` }, help),
  );
}

const long = (value) => typeof value === "string" && (value.length > 90 || value.includes("\n"));

/** Return the JSON type of a value, by the names that files use. */
export function typeOf(value) {
  if (Array.isArray(value)) return "array";
  if (value === null || typeof value === "object") return "object";
  return typeof value === "number" ? "number" : typeof value;
}

/** Return a value as it is typed into a field. */
export const asTyped = (value, type) =>
  value === undefined || (value === null && type !== "object")
    ? ""
    : type === "boolean"
      ? Boolean(value)
      : type === "object" || type === "array"
        ? value === null
          ? ""
          : JSON.stringify(value, null, 2)
        : String(value);

/** Return inputs that are known as they would have been typed. */
export const typedOf = (inputs) =>
  Object.fromEntries(Object.entries(inputs ?? {}).map(([key, it]) => [key, asTyped(it, typeOf(it))]));

/** Return what was typed as a value of the type: `{value}`, or `{error}` for whoever typed it. */
export function parsed(typed, type) {
  if (type === "boolean") return { value: Boolean(typed) };
  const text = String(typed);
  if (type === "string") return { value: text };
  if (type === "integer")
    return /^\s*[-+]?\d+\s*$/.test(text)
      ? { value: Number(text) }
      : { error: `${JSON.stringify(text)} is no whole number.` };
  if (type === "number")
    return text.trim() && Number.isFinite(Number(text))
      ? { value: Number(text) }
      : { error: `${JSON.stringify(text)} is no number.` };
  try {
    const value = JSON.parse(text);
    if (type === "array" && !Array.isArray(value))
      return { error: 'This has to be a list, such as ["a", "b"].' };
    return { value };
  } catch (error) {
    return { error: `This is no JSON: ${error.message}.` };
  }
}

/** Return why a value may not be given for an input, or nothing. */
function refused(input, value) {
  if (input.enum?.length && !input.enum.includes(value))
    return `It has to be one of ${input.enum.join(", ")}.`;
  if (input.minimum !== null && value < input.minimum)
    return `It has to be at least ${input.minimum}; it is ${value}.`;
  if (input.maximum !== null && value > input.maximum)
    return `It has to be at most ${input.maximum}; it is ${value}.`;
  if (input.pattern && !fits(input.pattern, value))
    return input.pattern === "\\S" ? "It may not be empty." : `It has to look like ${input.pattern}.`;
  return "";
}

function fits(pattern, value) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true; // a pattern that only the service can read; it will say
  }
}

/** Return the inputs that were typed, and what is wrong with them by name. */
export function gathered(workflow, typed) {
  const inputs = {},
    errors = {};
  for (const input of workflow.inputs) {
    const text = typed[input.name] ?? asTyped(input.default, input.type);
    if (input.type !== "boolean" && !String(text).trim()) {
      if (input.required) errors[input.name] = "This is needed.";
      continue;
    }
    const { value, error } = parsed(text, input.type);
    const why = error ?? refused(input, value);
    if (why) errors[input.name] = why;
    else inputs[input.name] = value;
  }
  return { inputs, errors };
}

/** Return the form of a workflow; `start(inputs)` is done with what was typed once nothing is wrong with it. */
export function form(name, workflow, start, cancel, given = {}) {
  const current = () => ({ typed: given, errors: {}, ...local(name, {}) });
  const { typed, errors } = current();
  const doing = local(`${name} doing`, {});
  const put = (key, value) => {
    const was = current();
    keep(name, { typed: { ...was.typed, [key]: value }, errors: { ...was.errors, [key]: "" } });
  };
  const submit = (event) => {
    event.preventDefault();
    const found = gathered(workflow, current().typed); // what was typed since it was drawn counts
    keep(name, { ...current(), errors: found.errors });
    const [first] = Object.keys(found.errors);
    if (first) return void document.getElementById(`${name}-${first}`)?.focus();
    act(`${name} doing`, () => start(found.inputs));
  };
  return h(
    "form",
    {
      class: "form",
      onsubmit: submit,
      novalidate: true,
      "aria-label": `Start ${workflow.name}`,
      onkeydown: (event) => event.key === "Escape" && cancel?.(),
    },
    workflow.inputs.length === 0 && h("p", { class: "muted" }, "It needs nothing to begin."),
    workflow.inputs.map((input) =>
      field({
        id: `${name}-${input.name}`,
        label: humane(input.name),
        type: input.type,
        help: helped(input),
        required: input.required,
        value: typed[input.name] ?? asTyped(input.default, input.type),
        error: errors[input.name],
        choices: input.enum,
        put: (value) => put(input.name, value),
      }),
    ),
    doing.error && problem(doing.error),
    h(
      "div",
      { class: "row" },
      h(
        "button",
        { type: "submit", class: "button main", disabled: doing.busy },
        doing.busy ? "Starting…" : "Start",
      ),
      cancel && button("Cancel", cancel, { kind: "quiet" }),
    ),
  );
}

function helped(input) {
  const between =
    input.minimum !== null && input.maximum !== null
      ? `${input.minimum} to ${input.maximum}`
      : input.minimum !== null
        ? `at least ${input.minimum}`
        : input.maximum !== null
          ? `at most ${input.maximum}`
          : "";
  return [input.description, between && `(${between})`].filter(Boolean).join(" ");
}
