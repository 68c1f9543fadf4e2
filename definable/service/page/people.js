// What people decide: the questions that wait for them, and the repairs that were learned.

import { h } from "/page/view.js";
import { act, api, live, local, stale, toast } from "/page/store.js";
import { button, chip, diff, got, nothing, problem } from "/page/parts.js";
import { may, question } from "/page/ask.js";
import { toolbox } from "/page/work.js";
import { humane, plural, toolName, when } from "/page/words.js";

export const inbox = {
  title: () => "Waiting for you",
  show() {
    return h(
      "div",
      { class: "page" },
      h("h1", { tabindex: "-1" }, "Waiting for you"),
      got(
        live("/api/approvals", 5),
        (asks) =>
          asks.length
            ? h(
                "ul",
                { class: "plain asks" },
                asks.map((ask) =>
                  h(
                    "li",
                    { key: ask.id },
                    h(
                      "p",
                      { class: "crumb" },
                      h("a", { href: `/runs/${ask.run}` }, humane(ask.workflow)),
                      " ",
                      h("code", null, ask.run),
                      " asked ",
                      h("time", { datetime: ask.asked_at }, when(ask.asked_at)),
                    ),
                    question(ask, toolbox()),
                  ),
                ),
              )
            : nothing(
                "Nothing waits for you",
                "When a call needs a person, it is asked here and in its run, and the run holds nothing meanwhile.",
              ),
        5,
      ),
    );
  },
};

const WORDS = {
  learned: "Waits for your word",
  accepted: "Accepted",
  rejected: "Rejected",
  expired: "Expired",
};

export const contracts = {
  title: () => "Contracts",
  show() {
    return h(
      "div",
      { class: "page" },
      h("h1", { tabindex: "-1" }, "Contracts"),
      h(
        "p",
        { class: "muted lead" },
        "Where a product’s answers took another form, and were read all the same. A repair is used for a while; accept it to keep it, reject it to have a person asked.",
      ),
      got(
        live("/api/contracts", 10),
        (all) =>
          all.length
            ? h(
                "ul",
                { class: "plain patches" },
                [...all].reverse().map((each) => h("li", { key: each.id }, patch(each))),
              )
            : nothing("No product has changed", "Every answer so far kept to its contract."),
        4,
      ),
    );
  },
};

function patch(each) {
  const name = `patch ${each.id}`;
  const doing = local(name, {});
  const judge = (verdict) =>
    act(name, async () => {
      await api("POST", `/api/contracts/${each.id}/${verdict}`);
      toast(verdict === "accept" ? "The repair is kept for good." : "The repair is not used again.");
      stale("/api/contracts");
    });
  return h(
    "article",
    { class: "card patch", "data-patch": each.id, "aria-labelledby": `patch-${each.id}` },
    h(
      "header",
      null,
      h("h2", { id: `patch-${each.id}` }, toolName(toolbox(), each.tool)),
      badgeOf(each.status),
    ),
    h("p", null, chip(each.drift.replaceAll("_", " "), "warn"), " ", each.change),
    each.diff && diff(each.diff),
    h("p", null, h("strong", null, "Proof: "), each.evidence),
    h(
      "p",
      { class: "muted" },
      `Rule: ${each.rule.replaceAll("_", " ")}. Seen ${plural(each.seen, "time")}, first ${when(each.since)}, last ${when(each.last)}.`,
      each.expires && ` Used until ${when(each.expires)}.`,
    ),
    doing.error && problem(doing.error),
    may("approver") &&
      h(
        "div",
        { class: "row" },
        each.status !== "accepted" &&
          button("Accept", () => judge("accept"), {
            kind: "main",
            busy: doing.busy,
            "aria-label": `Accept the repair of ${each.tool}`,
          }),
        each.status !== "rejected" &&
          button("Reject", () => judge("reject"), {
            disabled: doing.busy,
            "aria-label": `Reject the repair of ${each.tool}`,
          }),
      ),
  );
}

const badgeOf = (status) =>
  h(
    "span",
    {
      class: `badge ${{ accepted: "ok", rejected: "bad", learned: "warn" }[status] ?? "idle"}`,
      "data-status": status,
    },
    WORDS[status] ?? status,
  );
