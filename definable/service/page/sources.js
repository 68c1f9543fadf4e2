// Where each figure of a text comes from: the findings say which calls it rests on and how it was computed.

import { h } from "/page/view.js";
import { CHECKED, plural, subject, toolName } from "/page/words.js";

/** Return the points of a run's findings, each with its text made comparable. */
export function pointsOf(view) {
  return view.steps
    .flatMap((step) => step.artifact?.points ?? [])
    .map((point) => ({ ...point, plain: plain(point.text) }));
}

const plain = (text) =>
  text
    .replaceAll(/[*_`“”"’']/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .toLowerCase();

/** Return how a text is to be shown so that its figures, and its sentences, say what they rest on. */
export function traced(view, tools) {
  const points = pointsOf(view);
  if (!points.length) return {};
  const within = (said) => points.filter((point) => plain(said).includes(point.plain));
  return {
    words: (text, block) =>
      numbers(text, (said) => found(said, block ? within(block) : [], points)).map((each) =>
        typeof each === "string"
          ? each
          : source(each.said, recipe(each.figure, view, tools), `Source of ${each.said}`),
      ),
    around: (node, said) => {
      const own = within(said);
      if (!own.length) return node;
      const calls = [...new Set(own.flatMap((point) => point.receipts))];
      const label = plural(calls.length, "source");
      return h(
        node.tag,
        node.props,
        node.children,
        " ",
        source(
          label,
          [h("p", null, "This was found in:"), cited(calls, view, tools)],
          `${label} of this sentence`,
          "sources",
        ),
      );
    },
  };
}

const NUMBER = /(?<![\w.,-])[−-]?\d[\d,]*(?:\.\d+)?(?![\w-]|[.,]\d)/g;

function numbers(text, figureOf) {
  const out = [];
  let at = 0;
  for (const match of text.matchAll(NUMBER)) {
    const figure = figureOf(match[0]);
    if (!figure) continue;
    if (match.index > at) out.push(text.slice(at, match.index));
    out.push({ said: match[0], figure });
    at = match.index + match[0].length;
  }
  return at < text.length ? [...out, text.slice(at)] : out;
}

/** Return the figure of a number: of the points that its block is made of, or the only one of this value. */
function found(said, near, points) {
  const number = Number(said.replaceAll(",", "").replace("−", "-"));
  const all = (some) => some.flatMap((point) => point.figures.filter((figure) => figure.value === number));
  const here = all(near);
  if (here.length) return here[0];
  const anywhere = all(points);
  return new Set(anywhere.map((each) => JSON.stringify(each))).size === 1 ? anywhere[0] : null;
}

const DOES = {
  value: "stands as it is at",
  count: "the number of",
  distinct: "the number of different",
  sum: "the sum of",
  mean: "the mean of",
  median: "the median of",
  min: "the smallest of",
  max: "the largest of",
};
const HOW = { share: "as a share of", change: "as a change from", difference: "less" };

function recipe(figure, view, tools) {
  const { op, path, equals, where, against } = figure;
  return [
    h(
      "p",
      null,
      h("strong", null, figure.value.toLocaleString("en")),
      op === "value" ? " " : " is ",
      DOES[op],
      " ",
      h("code", null, path),
      equals !== null && equals !== undefined && [" equal to ", h("code", null, equals)],
      where?.length > 0 && [
        " where ",
        where.map((each, at) => [
          at > 0 && " and ",
          h("code", null, `${each.field} ${each.test} ${each.to}`),
        ]),
      ],
      against && [`, ${HOW[against.how]} ${DOES[against.op]} `, h("code", null, against.path)],
      " in",
    ),
    cited(figure.receipts, view, tools),
    h("p", { class: "muted" }, "The Verifier computed it again from these answers."),
  ];
}

function cited(calls, view, tools) {
  const rows = calls.slice(0, 6).map((id) => {
    const call = view.calls[id];
    const about = call && subject(call.arguments, view.names);
    return h(
      "li",
      { key: id },
      h(
        "a",
        { href: `/runs/${view.run}?call=${id}#call-${id}` },
        call ? toolName(tools, call.tool) : id,
        about && ` ${about}`,
      ),
      h(
        "span",
        { class: "muted" },
        ` ${id}`,
        call?.receipt?.evidence && `, ${CHECKED[call.receipt.evidence]}`,
      ),
    );
  });
  return h("ul", null, rows, calls.length > 6 && h("li", { class: "muted" }, `and ${calls.length - 6} more`));
}

/** Return something that says more when it is pointed at or focused; Escape takes that away. */
export function source(words, more, label, kind = "figure") {
  return h(
    "span",
    {
      class: `source ${kind}`,
      onmouseenter: place,
      onfocusin: place,
      onmouseleave: unhush,
      onfocusout: unhush,
    },
    h("button", { type: "button", "aria-label": kind === "figure" ? null : label }, words),
    h("span", { class: "pop", role: "group", "aria-label": label }, more),
  );
}

function place(event) {
  const box = event.currentTarget.getBoundingClientRect();
  event.currentTarget.classList.toggle("to-left", box.left > innerWidth - 380);
  event.currentTarget.classList.toggle("upward", box.bottom > innerHeight - 260);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const each of document.querySelectorAll(".source:is(:hover, :focus-within)"))
    each.classList.add("hush");
});

const unhush = (event) => event.currentTarget.classList.remove("hush");
