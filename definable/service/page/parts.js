// The small pieces that every view is made of: icons, badges, folds, values, differences, code, problems.

import { h, memo } from "/page/view.js";
import { keep, local, toast } from "/page/store.js";
import { markdown } from "/page/markdown.js";
import { standing } from "/page/words.js";

const PATHS = {
  check: "M4 10.5l4 4 8-9",
  cross: "M5 5l10 10M15 5L5 15",
  chevron: "M7.5 5l5 5-5 5",
  plus: "M10 4v12M4 10h12",
  chat: "M4 4.5h12v9H9l-3.5 3v-3H4z",
  runs: "M4 5.5h12M4 10h12M4 14.5h7",
  hand: "M10 3.5v7M10 14v2.2",
  batch: "M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z",
  contract: "M5 3.5h7l3 3v10H5zM7.5 9h5M7.5 12h5",
  sun: "M10 6.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM10 2v2M10 16v2M2 10h2M16 10h2M4.4 4.4l1.4 1.4M14.2 14.2l1.4 1.4M4.4 15.6l1.4-1.4M14.2 5.8l1.4-1.4",
  moon: "M15.5 12A6.5 6.5 0 018 4.5a6.5 6.5 0 107.5 7.5z",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  send: "M10 16V4.5M5 9.5l5-5 5 5",
  link: "M8 5H4.5v10.5H15V12M11 4.5h4.5V9M15 5l-6.5 6.5",
  heal: "M3 10h3.5l2-5 3.5 10 2-5H17",
  clock: "M10 3.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM10 6.5V10l2.5 1.5",
  skip: "M5 10h10",
  search: "M9 4a5 5 0 100 10A5 5 0 009 4zM12.7 12.7L16.5 16.5",
  copy: "M7 7h9v9H7zM4 13V4h9",
};

export const icon = (name, extra = "") =>
  h(
    "svg",
    { class: `icon ${extra}`, viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    h("path", { d: PATHS[name] }),
  );

const MARKS = {
  done: "check",
  verified: "check",
  failed: "cross",
  denied: "cross",
  cancelled: "cross",
  limited: "cross",
  needs_review: "hand",
  waiting: "hand",
  asks: "hand",
  skipped: "skip",
  queued: "clock",
  pending: "clock",
};
const TONES = {
  done: "ok",
  verified: "ok",
  ended: "ok",
  accepted: "ok",
  failed: "bad",
  limited: "bad",
  denied: "bad",
  rejected: "bad",
  needs_review: "warn",
  waiting: "warn",
  asks: "warn",
  learned: "warn",
  running: "live",
  open: "live",
  queued: "idle",
};
export const tone = (state) => TONES[state] ?? "idle";

/** Return the sign of a state; what moves is a ring that turns. */
export const mark = (state) =>
  h(
    "span",
    { class: `mark ${tone(state)}`, "aria-hidden": "true" },
    state === "running" || state === "open" ? h("span", { class: "ring" }) : icon(MARKS[state] ?? "clock"),
  );

export const badge = (status, reason) =>
  h(
    "span",
    { class: `badge ${tone(status)}`, "data-status": status },
    status === "running" && h("span", { class: "ring", "aria-hidden": "true" }),
    standing(status, reason),
  );

export const chip = (words, kind = "", sign = null) =>
  h("span", { class: `chip ${kind}` }, sign && icon(sign), words);

/** Return something that opens. Its inside is made only while it is open, since there may be hundreds. */
export function fold(name, head, body, { open = false, kind = "", id = null } = {}) {
  const now = local(`fold ${name}`, open);
  const turned = (event) => {
    if (event.target.open !== local(`fold ${name}`, open)) keep(`fold ${name}`, event.target.open);
  };
  return h(
    "details",
    { key: name, class: `fold ${kind}`, open: now, ontoggle: turned, id },
    h("summary", null, icon("chevron", "turn"), head),
    now && h("div", { class: "inside" }, body()),
  );
}

export function button(words, onclick, { kind = "", sign = null, busy = false, ...more } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind}`,
      onclick,
      disabled: busy,
      "aria-busy": busy ? "true" : null,
      ...more,
    },
    sign && icon(sign),
    busy ? h("span", { class: "ring", "aria-hidden": "true" }) : null,
    h("span", null, words),
  );
}

export const problem = (error, again) =>
  h(
    "div",
    { class: "problem", role: "alert" },
    h("p", null, h("strong", null, error.message)),
    error.hint && h("p", { class: "muted" }, error.hint),
    error.errors?.length > 0 &&
      h(
        "ul",
        null,
        error.errors
          .slice(0, 20)
          .map((each) => h("li", null, each.where && h("code", null, each.where), " ", each.message)),
      ),
    again && button("Try again", again, { kind: "small" }),
  );

export const skeleton = (rows = 4) =>
  h(
    "div",
    { class: "skeleton", role: "status", "aria-label": "Loading" },
    Array.from({ length: rows }, () => h("div", { class: "bone" })),
  );

export const nothing = (title, words, ...more) =>
  h("div", { class: "nothing" }, h("h2", null, title), h("p", { class: "muted" }, words), more);

/** Return what an address gave, or that it is still awaited, or what is wrong. */
export function got(entry, show, rows) {
  if (entry.data !== undefined) return show(entry.data);
  return entry.error ? problem(entry.error) : skeleton(rows);
}

export const copier = (text, what) =>
  button("Copy", () => navigator.clipboard?.writeText(text).then(() => toast(`${what} copied`)), {
    kind: "quiet small",
    sign: "copy",
    "aria-label": `Copy ${what}`,
  });

// Values

/** Return a JSON value for people: text as text, objects as terms and values, lists as they are long. */
export function value(name, it, depth = 0) {
  if (it === null || it === undefined) return h("span", { class: "muted" }, "none");
  if (typeof it === "string") return text(name, it);
  if (typeof it !== "object") return h("code", null, String(it));
  const pairs = Array.isArray(it)
    ? it.map((each, at) => [String(at + 1), each])
    : Object.entries(it).map(deepest);
  if (!pairs.length) return h("span", { class: "muted" }, Array.isArray(it) ? "empty list" : "none");
  if (depth > 0 && pairs.length > 6) {
    const words = Array.isArray(it) ? `${pairs.length} entries` : `${pairs.length} fields`;
    return fold(`${name} value`, words, () => some(name, pairs, depth), { kind: "quiet" });
  }
  return terms(name, pairs, depth);
}

const SOME = 200;

/** Return so many fields, and the others behind a fold: there may be thousands, but none is left out. */
function some(name, pairs, depth) {
  const rest = pairs.slice(SOME);
  const more = () => some(name, rest, depth);
  return [
    terms(name, pairs.slice(0, SOME), depth),
    rest.length > 0 && fold(`${name} last ${rest.length}`, `${rest.length} more`, more, { kind: "quiet" }),
  ];
}

/** Return a field with only one field in it as one: `contents.markdownCell.source`. */
function deepest([key, it]) {
  const inner = it && typeof it === "object" && !Array.isArray(it) ? Object.entries(it) : [];
  return inner.length === 1 ? deepest([`${key}.${inner[0][0]}`, inner[0][1]]) : [key, it];
}

/** Return a text with the signs that turn the order of others around as escapes: it reads as it is sent. */
const inOrder = (it) =>
  it.replaceAll(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16)}`);

function text(name, said) {
  const it = inOrder(said);
  if (it.length <= 240 && !it.includes("\n"))
    return /^https?:\/\//.test(it) ? away(it) : h("span", { class: "text" }, it);
  const lines = it.split("\n").length;
  return fold(
    `${name} text`,
    `${it.slice(0, 60).split("\n")[0]}… (${it.length.toLocaleString("en")} characters, ${lines} lines)`,
    () => h("pre", { class: "code", tabindex: "0" }, it),
    { kind: "quiet" },
  );
}

export const away = (to, words = to) =>
  h("a", { href: to, target: "_blank", rel: "noopener noreferrer", class: "away" }, words, icon("link"));

const terms = (name, pairs, depth) =>
  h(
    "dl",
    { class: `terms deep-${Math.min(depth, 3)}` },
    pairs.map(([key, each]) =>
      h("div", { key }, h("dt", null, key), h("dd", null, value(`${name}.${key}`, each, depth + 1))),
    ),
  );

// Differences

/** Return the lines of two texts side by side in order: kept, taken out, put in. */
export function lines(before, after) {
  const a = before.split("\n"),
    b = after.split("\n");
  if (a.length * b.length > 4e6) return [...a.map((each) => ["-", each]), ...b.map((each) => ["+", each])];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i][j] =
        a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const out = [];
  let i = 0,
    j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) out.push([" ", a[i++], j++]);
    else if (i < a.length && (j >= b.length || longest[i + 1][j] >= longest[i][j + 1]))
      out.push(["-", a[i++]]);
    else out.push(["+", b[j++]]);
  }
  return out;
}

const SIGNS = { "+": "put in", "-": "taken out" };

/** Return a difference: pairs of a sign and a line, or the text of one as tools print it. */
export function diff(given) {
  const rows =
    typeof given === "string"
      ? given
          .split("\n")
          .map((line) => (/^[+-]/.test(line) ? [line[0], line.slice(1).replace(/^ /, "")] : [" ", line]))
      : given;
  return h(
    "div",
    { class: "diff", tabindex: "0", role: "group", "aria-label": "Difference" },
    rows.map(([sign, line]) =>
      h(
        "div",
        { class: sign === "+" ? "in" : sign === "-" ? "out" : "same" },
        h(
          "span",
          { class: "sign" },
          h("span", { "aria-hidden": "true" }, sign === "-" ? "−" : sign),
          SIGNS[sign] && h("span", { class: "hidden" }, `${SIGNS[sign]}: `),
        ),
        h("code", null, line || " "),
      ),
    ),
  );
}

// Code

const TOKEN =
  /(#.*|--.*|\/\/.*)|("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\b(\d[\d_.]*)\b|\b(and|as|by|case|class|def|elif|else|end|except|False|finally|for|from|if|import|in|is|join|lambda|left|limit|None|not|on|or|order|pass|raise|return|select|then|True|try|when|where|while|with|group|SELECT|FROM|WHERE|JOIN|LEFT|ON|GROUP|BY|ORDER|AS|WITH|CASE|WHEN|THEN|ELSE|END|AND|OR|NOT|LIMIT|NULL)\b/g;
const CLASSES = ["remark", "string", "number", "word"];

export const code = (source, name) =>
  h(
    "div",
    { class: "listing" },
    h(
      "pre",
      { class: "code", tabindex: "0", role: "group", "aria-label": name },
      memo("code", coloured, source),
    ),
    copier(source, name),
  );

function coloured(source) {
  const out = [];
  let at = 0;
  for (const found of source.slice(0, 40000).matchAll(TOKEN)) {
    out.push(
      source.slice(at, found.index),
      h("span", { class: CLASSES[found.slice(1).findIndex((each) => each !== undefined)] }, found[0]),
    );
    at = found.index + found[0].length;
  }
  return h("code", null, out, source.slice(at));
}

export const prose = (source, how) => h("div", { class: "prose" }, markdown(source, how));
