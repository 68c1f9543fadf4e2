// A tool call: what was asked for, each attempt and what came of it, how it was healed, and how it is known.

import { h, memo } from "/page/view.js";
import { local, read } from "/page/store.js";
import { away, chip, diff, fold, got, icon, mark, value } from "/page/parts.js";
import {
  CHECKED,
  clock,
  decided,
  duration,
  EVIDENCE,
  failure,
  plural,
  ROLES,
  subject,
  toolName,
} from "/page/words.js";

const FEW = 3;

/** Return the calls of a step. Calls of one tool that went alike are folded into one line when there are many. */
export function calls(step, view, tools) {
  const groups = [];
  for (const id of step.calls) {
    const call = view.calls[id];
    const last = groups.at(-1);
    if (last && last[0].tool === call.tool) last.push(call);
    else groups.push([call]);
  }
  return groups.flatMap((group) => {
    const special = group.filter(
      (each) =>
        each.receipt?.heals?.length ||
        each.ask ||
        each.decision ||
        (each.receipt && each.receipt.status !== "verified"),
    );
    const alike = group.filter((each) => !special.includes(each));
    if (alike.length <= FEW) return group.map((each) => one(each, view, tools));
    return [many(alike, view, tools), ...special.map((each) => one(each, view, tools))];
  });
}

const bad = (call) => ["failed", "denied", "needs_review"].includes(call.state);

/** Return a call's card. A closed one is made anew only when its call has changed; there may be hundreds. */
function one(call, view, tools) {
  const open = local(`fold call ${view.run} ${call.id}`, bad(call)) ? {} : null;
  return memo(call.id, card, call, subject(call.arguments, view.names), view.run, tools, open);
}

function many(group, view, tools) {
  const settled = group.filter((each) => each.receipt).length;
  const state = settled === group.length ? "verified" : "open";
  const head = [
    mark(state),
    h("span", { class: "title" }, toolName(tools, group[0].tool)),
    h("span", { class: "times" }, `× ${group.length}`),
    h(
      "span",
      { class: "end" },
      state === "open"
        ? h("span", { class: "muted" }, `${settled} of ${group.length}`)
        : chip("all verified", "ok"),
    ),
  ];
  return fold(`calls ${view.run} ${group[0].id}`, head, () => group.map((each) => one(each, view, tools)), {
    kind: "call group",
  });
}

function card(call, about, run, tools) {
  const head = [
    mark(call.state),
    h(
      "span",
      { class: "title" },
      toolName(tools, call.tool),
      about && h("span", { class: "about" }, ` ${about}`),
    ),
    h("span", { class: "end" }, signs(call)),
  ];
  return fold(`call ${run} ${call.id}`, head, () => inside(call, run), {
    open: bad(call),
    kind: `call ${call.state}`,
    id: `call-${call.id}`,
  });
}

function signs(call) {
  const { receipt } = call;
  if (call.state === "asks") return chip("a person decides", "warn", "hand");
  if (!receipt)
    return call.waits
      ? chip(waiting(call.waits), "warn", "clock")
      : call.attempts.length > 1 && h("span", { class: "muted" }, trouble(call));
  const out = [];
  if (receipt.heals?.length) out.push(chip("healed", "heal", "heal"));
  if (receipt.attempts > 1) out.push(chip(`${receipt.attempts} attempts`));
  if (receipt.decided_by) out.push(chip(`by ${receipt.decided_by}`));
  if (receipt.status === "verified") out.push(chip(CHECKED[receipt.evidence] ?? "verified", "ok"));
  else out.push(chip(receipt.status.replace("_", " "), receipt.status === "needs_review" ? "warn" : "bad"));
  return out;
}

function trouble(call) {
  const last = call.attempts.at(-1);
  return last.said && last.said.failure && last.said.failure !== "ok"
    ? failure(last.said.failure)
    : `attempt ${last.n + 1}`;
}

const WAITS = {
  quota: "waits for quota",
  breaker: "waits: too much failed",
  place: "waits for another run",
  retry: "waits to try again",
};
const waiting = ({ what, seconds, until }) =>
  (WAITS[what] ?? `waits for ${what}`) +
  (seconds ? `, about ${duration(seconds)}` : until ? ` until ${clock(until)}` : "");

function inside(call, run) {
  const { receipt } = call;
  return h(
    "div",
    { class: "evidence" },
    receipt &&
      h(
        "section",
        { class: "verdict" },
        h(
          "p",
          { class: "about-what" },
          receipt.status === "verified" ? "How it is known" : "What became of it",
        ),
        h(
          "p",
          null,
          receipt.status === "verified"
            ? `${EVIDENCE[receipt.evidence] ?? "Verified"}.`
            : `${failure(receipt.failure)}.`,
          receipt.message && ` ${sentence(receipt.message)}`,
        ),
        receipt.link && h("p", null, away(receipt.link, "Look at it")),
      ),
    receipt?.heals?.length > 0 &&
      h(
        "section",
        null,
        h("p", { class: "about-what" }, "How it was healed"),
        receipt.heals.map((each, at) => heal(each, at)),
      ),
    call.decision &&
      h(
        "section",
        null,
        h("p", { class: "about-what" }, "Decision"),
        h("p", null, decided(call.decision)),
      ),
    call.concern && h("p", { class: "muted" }, call.concern),
    h(
      "section",
      null,
      h("p", { class: "about-what" }, "Arguments"),
      value(`${run} ${call.id} arguments`, call.arguments),
    ),
    call.attempts.length > 0 &&
      h(
        "section",
        null,
        h("p", { class: "about-what" }, plural(call.attempts.length, "request")),
        h("ol", { class: "attempts" }, call.attempts.map(attempt)),
      ),
    receipt?.doubts?.length > 0 &&
      h(
        "section",
        null,
        h("p", { class: "about-what" }, "Noticed, and left as it is"),
        h(
          "ul",
          null,
          receipt.doubts.map((each) => h("li", null, each)),
        ),
      ),
    receipt &&
      fold(`result ${run} ${call.id}`, "Verified result", () => result(run, call.id), { kind: "quiet" }),
    h(
      "p",
      { class: "ids" },
      h("code", null, call.tool),
      " ",
      h("code", null, call.id),
      receipt?.effect && [" effect ", h("code", null, receipt.effect)],
    ),
  );
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function result(run, id) {
  return got(read(`/api/runs/${run}/receipts/${id}`), (receipt) =>
    value(`${run} ${id} result`, receipt.result),
  );
}

function heal(each, at) {
  return h(
    "div",
    { class: "healing", key: at },
    h(
      "p",
      null,
      chip(failure(each.class ?? each.failure), "warn"),
      icon("chevron"),
      chip(each.rule.replaceAll("_", " "), "heal", "heal"),
    ),
    each.detail && h("p", null, each.detail),
    each.diff && diff(each.diff),
    each.evidence && h("p", { class: "muted" }, "Proof: ", each.evidence),
  );
}

function attempt(each) {
  const said = each.said ?? {};
  const bad = (said.failure && said.failure !== "ok") || (each.status ?? 200) >= 400 || each.status === null;
  const next =
    { verified: "", denied: "denied", failed: "gives up", ask: "asks a person" }[said.move] ??
    said.next ??
    "";
  return h(
    "li",
    { key: each.n, class: bad ? "bad" : "ok" },
    h(
      "div",
      { class: "line" },
      h("span", { class: "role" }, ROLES[each.role] ?? each.role),
      h("code", null, each.tool),
      h("span", { class: `status ${bad ? "bad" : "ok"}` }, each.status ?? "no answer"),
      h("span", { class: "muted" }, duration(each.seconds)),
      each.waited > 0.05 &&
        h(
          "span",
          { class: "muted" },
          `held ${duration(each.waited)}${each.heldBy ? ` by ${each.heldBy}` : ""}`,
        ),
      h("time", { class: "muted", datetime: each.at }, clock(each.at)),
    ),
    each.changes?.length > 0 &&
      h(
        "p",
        null,
        "In the server’s words: ",
        each.changes.map((change) => h("code", null, `${change.path} → ${change.to}`)),
      ),
    bad &&
      h(
        "p",
        null,
        said.failure && said.failure !== "ok"
          ? `${failure(said.failure)}${said.message ? `: ${said.message}` : ""}`
          : each.error,
      ),
    said.retry_after !== null &&
      said.retry_after !== undefined &&
      h("p", { class: "muted" }, `The server asked to wait ${duration(said.retry_after)}.`),
    said.diff?.length > 0 && diff(said.diff.join("\n")),
    bad &&
      next &&
      h(
        "p",
        { class: "muted" },
        "Then: ",
        order(next),
        said.why && !said.why.includes(said.message) && ` (${said.why})`,
      ),
  );
}

function order(text) {
  const found = /^(call|look|before|poll|page) (\S+)(?: in ([\d.]+) s)?$/.exec(text);
  if (!found) return text;
  const pause = Number(found[3]) ? `waits ${duration(Number(found[3]))}, then ` : "";
  return `${pause}${found[1] === "call" ? "sends it again" : "looks"} with ${found[2]}`;
}
