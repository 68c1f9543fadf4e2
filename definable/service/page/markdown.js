// Markdown as nodes: headings, lists, quotes, code, tables, rules, links, emphasis. What it does not know stays text.

import { h } from "/page/view.js";

/**
 * Return Markdown as nodes. `words(text, block)` may turn a piece of plain text, of a block,
 * into nodes of its own; `around(node, block)` may add to a paragraph or an item. Its highest heading is of level `base`.
 */
export function markdown(text, { words = (plain) => plain, base = 3, around = (node) => node } = {}) {
  const lines = String(text ?? "")
    .replaceAll("\r\n", "\n")
    .split("\n");
  const highest = Math.min(6, ...lines.map((line) => HEADING.exec(line)?.[1].length ?? 6));
  return blocks(lines, { words, around, shift: base - highest });
}

const FENCE = /^\s*(```|~~~)\s*(\w*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^\s*>\s?(.*)$/;
const ROW = /^\s*\|.*\|\s*$/;

const DEEPEST = 30; // levels of quotes and lists; what is deeper is text

function blocks(lines, { depth = 0, ...how }) {
  const out = [];
  if (depth > DEEPEST) return [h("p", null, lines.join("\n"))];
  how.depth = depth + 1;
  for (let at = 0; at < lines.length;) {
    const line = lines[at];
    let found;
    if (!line.trim()) at += 1;
    else if ((found = FENCE.exec(line))) {
      let end = at + 1;
      while (end < lines.length && !lines[end].trim().startsWith(found[1])) end += 1;
      out.push(
        h("pre", { class: "code", tabindex: "0" }, h("code", null, lines.slice(at + 1, end).join("\n"))),
      );
      at = end + 1;
    } else if ((found = HEADING.exec(line))) {
      const level = Math.min(6, found[1].length + how.shift);
      out.push(h(`h${level}`, { class: `md-${found[1].length}` }, inline(found[2], how)));
      at += 1;
    } else if (RULE.test(line)) {
      out.push(h("hr"));
      at += 1;
    } else if (QUOTE.test(line)) {
      const end = until(lines, at, (each) => QUOTE.test(each));
      out.push(
        h(
          "blockquote",
          null,
          blocks(
            lines.slice(at, end).map((each) => QUOTE.exec(each)[1]),
            how,
          ),
        ),
      );
      at = end;
    } else if (ITEM.test(line)) {
      const [list, end] = listed(lines, at, how);
      out.push(list);
      at = end;
    } else if (ROW.test(line) && /^\s*\|?[\s:|-]+\|?\s*$/.test(lines[at + 1] ?? "")) {
      const end = until(lines, at, (each) => ROW.test(each));
      out.push(table(lines.slice(at, end), how));
      at = end;
    } else {
      const end = until(lines, at, (each) => each.trim() && !starts(each), 1);
      const said = lines.slice(at, end).join("\n");
      out.push(how.around(h("p", null, inline(said, { ...how, block: said })), said));
      at = end;
    }
  }
  return out;
}

const starts = (line) =>
  FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || RULE.test(line) || QUOTE.test(line);

function until(lines, at, fits, least = 0) {
  let end = at + least;
  while (end < lines.length && fits(lines[end])) end += 1;
  return end;
}

function listed(lines, at, how) {
  const [, indent, mark] = ITEM.exec(lines[at]);
  const items = [];
  while (at < lines.length) {
    const found = ITEM.exec(lines[at]);
    if (!found || found[1].length !== indent.length) break;
    const inner = [found[3]];
    at += 1;
    const deep = indent.length + 2;
    while (
      at < lines.length &&
      (lines[at].trim() ? /^ */.exec(lines[at])[0].length >= deep : /^ {2}/.test(lines[at + 1] ?? ""))
    ) {
      inner.push(lines[at].slice(deep));
      at += 1;
    }
    const task = /^\[([ xX])\]\s+/.exec(inner[0]);
    if (task) inner[0] = inner[0].slice(task[0].length);
    const simple = inner.length === 1;
    const body = simple ? inline(inner[0], { ...how, block: inner[0] }) : blocks(inner, how);
    const box =
      task &&
      h(
        "span",
        { class: "task", role: "img", "aria-label": task[1] === " " ? "open" : "done" },
        task[1] === " " ? "☐ " : "☑ ",
      );
    const item = h("li", null, box, body);
    items.push(simple ? how.around(item, inner[0]) : item);
    while (
      at < lines.length &&
      !lines[at].trim() &&
      ITEM.exec(lines[at + 1] ?? "")?.[1].length === indent.length
    )
      at += 1;
  }
  const ordered = /\d/.test(mark);
  return [
    h(
      ordered ? "ol" : "ul",
      ordered && parseInt(mark, 10) !== 1 ? { start: String(parseInt(mark, 10)) } : null,
      items,
    ),
    at,
  ];
}

function table(lines, how) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((each) => each.trim().replaceAll("\\|", "|"));
  const [head, , ...rows] = lines.map(cells);
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Table" },
    h(
      "table",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          head.map((each) => h("th", { scope: "col" }, inline(each, how))),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) =>
          h(
            "tr",
            null,
            row.map((each) => h("td", null, inline(each, how))),
          ),
        ),
      ),
    ),
  );
}

const SPAN =
  /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s](?:.*?[^*\s])?)\*|(?<![\w])_([^_]+)_(?![\w])|~~(.+?)~~|!?\[([^\]]*)\]\(([^()\s]*(?:\([^()\s]*\))?[^()\s]*)(?:\s+"[^"]*")?\)|(https?:\/\/[^\s<>"')\]]+[^\s<>"')\].,;:!?])/s;

function inline(text, how) {
  const out = [];
  for (let rest = text; rest;) {
    const found = SPAN.exec(rest);
    if (!found) {
      out.push(how.words(rest, how.block));
      break;
    }
    if (found.index) out.push(how.words(rest.slice(0, found.index), how.block));
    const [all, , code, bold, bold2, thin, thin2, gone, label, to, bare] = found;
    if (code !== undefined) out.push(h("code", null, code));
    else if (bold ?? bold2) out.push(h("strong", null, inline(bold ?? bold2, how)));
    else if (thin ?? thin2) out.push(h("em", null, inline(thin ?? thin2, how)));
    else if (gone) out.push(h("s", null, inline(gone, how)));
    else if (bare) out.push(link(bare, [bare]));
    else out.push(link(to, inline(label || to, { ...how, words: (plain) => plain })));
    rest = rest.slice(found.index + all.length);
  }
  return out;
}

/** Return a link, where the address is one that a link may have; else only its words. */
export function link(to, words) {
  const safe = /^(https?:\/\/|mailto:|\/(?!\/)|#)/i.test(to);
  return safe
    ? h(
        "a",
        { href: to, rel: "noopener noreferrer", ...(/^https?:/i.test(to) ? { target: "_blank" } : {}) },
        words,
      )
    : h("span", null, words);
}
