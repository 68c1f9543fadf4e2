// What agents hand in, as people read it: findings and drafts as text with sources, charts drawn, changes as diffs.

import { h, memo } from "/page/view.js";
import { code, diff, fold, lines, prose } from "/page/parts.js";
import { traced } from "/page/sources.js";
import { duration, humane, plural } from "/page/words.js";

const NAMES = { Findings: "Findings", Draft: "Draft", Asset: "Asset", Change: "Change" };

/** Return what a step handed in, closed but for its name. */
export function artifact(step, view, tools) {
  const it = step.artifact;
  const title = it.title ?? it.caption ?? it.explanation ?? /^#\s*(.*)$/m.exec(it.markdown ?? "")?.[1] ?? "";
  const count = it.points ? plural(it.points.length, "point") : "";
  const head = [
    h("span", { class: "kind" }, NAMES[it.shape] ?? "Result"),
    h("span", { class: "title" }, title),
    count && h("span", { class: "muted" }, count),
  ];
  return fold(
    `artifact ${view.run} ${step.id}`,
    head,
    () => (it.markdown ? memo("text", told, it.markdown, view, tools) : shown(it, step, view)),
    { kind: "artifact", open: it.shape === "Asset" || it.shape === "Change" },
  );
}

const shown = (it, step, view) => (it.shape === "Change" ? changed(it, view) : asset(step, it));

/** Return a text of the run, such as a draft or an output, with the sources of its figures. */
export const told = (text, view, tools) => prose(text, traced(view, tools));

function changed(it, view) {
  const before = sourceBefore(view, it.source);
  return h(
    "div",
    null,
    it.explanation && prose(it.explanation),
    before === null ? code(it.source, "The changed source") : diff(lines(before, it.source)),
  );
}

/** Return the source that a change began from: the one that a step before it had read. */
function sourceBefore(view) {
  for (const step of view.steps) {
    for (const each of Object.values(step.output?.contents ?? {}))
      if (typeof each?.source === "string") return each.source;
  }
  return null;
}

// Charts

function asset(step, it) {
  const data = it.kind === "python" ? embedded(it.source) : null;
  const drawn = data && chart(data, it.caption);
  return h(
    "div",
    null,
    drawn &&
      h(
        "figure",
        null,
        drawn,
        h(
          "figcaption",
          null,
          it.caption,
          h(
            "span",
            { class: "muted" },
            " Drawn here from the data in the source, which the Verifier has traced to the calls.",
          ),
        ),
      ),
    !drawn && it.caption && prose(it.caption),
    it.kind === "markdown"
      ? prose(it.source)
      : drawn
        ? fold(`source ${step.id}`, "Source", () => code(it.source, "Source of the chart"), { kind: "quiet" })
        : code(it.source, "Source"),
  );
}

/** Return the table that a chart's source has in itself, with what is drawn of it; null where that is not plain. */
export function embedded(source) {
  const start = source.indexOf("DataFrame({");
  const fields = Object.fromEntries(
    [...source.matchAll(/\b(x|y|color)\s*=\s*(?:alt\.\w+\()?\s*"([^":]+)(?::(\w))?"/g)].map((found) => [
      found[1],
      { name: found[2], type: found[3] },
    ]),
  );
  if (start < 0 || !fields.x || !fields.y) return null;
  const text = object(source, start + "DataFrame(".length);
  try {
    const table = JSON.parse(text);
    const measure = fields.x.type === "Q" ? fields.x : fields.y;
    const label = measure === fields.x ? fields.y : fields.x;
    const values = table[measure.name],
      labels = table[label.name];
    if (!Array.isArray(values) || !Array.isArray(labels) || values.length !== labels.length || !values.length)
      return null;
    if (!values.every((each) => each === null || Number.isFinite(each))) return null;
    const title =
      new RegExp(`"${measure.name}:Q",\\s*title="([^"]*)"`).exec(source)?.[1] ?? humane(measure.name);
    return { values, labels, groups: fields.color ? table[fields.color.name] : null, title };
  } catch {
    return null;
  }
}

function object(source, start) {
  let depth = 0,
    quoted = false;
  for (let at = start; at < source.length; at += 1) {
    const each = source[at];
    if (quoted) {
      if (each === "\\") at += 1;
      else if (each === '"') quoted = false;
    } else if (each === '"') quoted = true;
    else if (each === "{") depth += 1;
    else if (each === "}" && (depth -= 1) === 0) return source.slice(start, at + 1);
  }
  return "";
}

const ROW = 26,
  LEFT = 124,
  WIDE = 640,
  TOP = 8;

function chart({ values, labels, groups, title }, caption) {
  const most = Math.max(...values.map((each) => each ?? 0), 1e-9);
  const kinds = groups ? [...new Set(groups)] : [];
  const hues = kinds.map((kind, at) => (/err|fail|unable|cancel/i.test(kind) ? "bad" : `hue-${at % 4}`));
  const seconds = /elapsed|duration/i.test(title) && most > 1000;
  const said = (each) =>
    each === null ? "none" : seconds ? duration(each / 1000) : each.toLocaleString("en");
  const bars = values.map((each, at) => {
    const long = (Math.max(each ?? 0, 0) / most) * (WIDE - LEFT - 90);
    const y = TOP + at * ROW;
    return h(
      "g",
      { key: at },
      h("text", { x: LEFT - 10, y: y + 17, "text-anchor": "end", class: "label" }, stamp(labels[at])),
      h("rect", {
        x: LEFT,
        y: y + 3,
        width: Math.max(long, 1),
        height: ROW - 8,
        rx: 3,
        class: groups ? hues[kinds.indexOf(groups[at])] : "hue-0",
      }),
      h("text", { x: LEFT + long + 8, y: y + 17, class: "label" }, said(each)),
    );
  });
  const high = TOP * 2 + values.length * ROW;
  const legend =
    kinds.length > 1 &&
    h(
      "div",
      { class: "legend" },
      kinds.map((kind, at) =>
        h(
          "span",
          { key: kind },
          h("span", { class: `swatch ${hues[at]}`, "aria-hidden": "true" }),
          humane(kind),
        ),
      ),
    );
  const words = values
    .map((each, at) => `${stamp(labels[at])}: ${said(each)}${groups ? `, ${humane(groups[at])}` : ""}`)
    .join("; ");
  return h(
    "div",
    { class: "chart" },
    h("p", { class: "axis" }, title),
    legend,
    h(
      "svg",
      { viewBox: `0 0 ${WIDE} ${high}`, role: "img", "aria-label": `${caption || title}. ${words}` },
      bars,
    ),
  );
}

function stamp(label) {
  const text = String(label);
  const at = /^\d{4}-\d{2}-\d{2}T/.test(text) ? new Date(text) : null;
  if (!at) return text.length > 18 ? `${text.slice(0, 17)}…` : text;
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`;
}
