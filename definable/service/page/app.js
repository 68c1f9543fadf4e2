// The page: which view an address has, what stands around it, and how the reader moves.

import { h, render } from "/page/view.js";
import {
  act,
  api,
  arrive,
  change,
  drawnBy,
  forget,
  forgetUnused,
  go,
  keep,
  live,
  local,
  state,
  theme,
  turn,
} from "/page/store.js";
import { button, icon, nothing, problem } from "/page/parts.js";
import { broken, unwatch } from "/page/watch.js";
import { home, thread } from "/page/chat.js";
import { list as runs } from "/page/runs.js";
import { page as run } from "/page/runpage.js";
import * as batches from "/page/batches.js";
import { contracts, inbox } from "/page/people.js";
import { when } from "/page/words.js";

const VIEWS = [
  [/^\/$/, home],
  [/^\/chat\/(?<thread>[^/]+)$/, thread],
  [/^\/runs$/, runs],
  [/^\/runs\/(?<run>[^/]+)$/, run],
  [/^\/batches$/, batches.list],
  [/^\/batches\/(?<batch>[^/]+)$/, batches.page],
  [/^\/inbox$/, inbox],
  [/^\/contracts$/, contracts],
];
const LOST = {
  title: () => "Not here",
  show: () =>
    h(
      "div",
      { class: "page" },
      h("h1", { tabindex: "-1" }, "Not here"),
      nothing(
        "There is no such page",
        "Its address may be cut off.",
        h("a", { class: "button main", href: "/" }, "Begin anew"),
      ),
    ),
};

function place() {
  for (const [form, view] of VIEWS) {
    const found = form.exec(state.path);
    if (!found) continue;
    const given = Object.entries(found.groups ?? {});
    try {
      return [view, Object.fromEntries(given.map(([key, each]) => [key, decodeURIComponent(each)]))];
    } catch {
      break; // an escape that was cut off
    }
  }
  return [LOST, {}];
}

const NAV = [
  ["/runs", "Runs", "runs"],
  ["/inbox", "Waiting for you", "hand"],
  ["/batches", "Batches", "batch"],
  ["/contracts", "Contracts", "contract"],
];

function side(about) {
  const here = (path) =>
    state.path === path || (path !== "/" && state.path.startsWith(`${path}/`)) ? "page" : null;
  const threads = live("/api/threads", 30).data ?? [];
  return h(
    "aside",
    {
      class: `side ${state.menu ? "open" : ""}`,
      id: "side",
      onkeydown: (event) => event.key === "Escape" && state.menu && shut(),
    },
    h(
      "a",
      { class: "brand", href: "/" },
      h("img", { src: "/favicon.svg", alt: "", width: "26", height: "26" }),
      "Definable",
    ),
    h(
      "nav",
      { "aria-label": "Main" },
      h(
        "a",
        { class: "button main wide-button", href: "/", "aria-current": here("/") },
        icon("plus"),
        "New conversation",
      ),
      h(
        "ul",
        { class: "nav" },
        NAV.map(([path, words, sign]) =>
          h(
            "li",
            { key: path },
            h(
              "a",
              { href: path, "aria-current": here(path) },
              icon(sign),
              h("span", null, words),
              path === "/inbox" &&
                about?.waiting > 0 &&
                h(
                  "span",
                  { class: "count" },
                  String(about.waiting),
                  h("span", { class: "hidden" }, " waiting"),
                ),
            ),
          ),
        ),
      ),
    ),
    threads.length > 0 &&
      h(
        "nav",
        { class: "threads", "aria-labelledby": "threads-title" },
        h("h2", { id: "threads-title" }, "Conversations"),
        h(
          "ul",
          { class: "nav" },
          threads
            .slice(0, 60)
            .map((each) =>
              h(
                "li",
                { key: each.id },
                h(
                  "a",
                  { href: `/chat/${each.id}`, "aria-current": here(`/chat/${each.id}`), title: each.title },
                  h("span", { class: "clip" }, each.title || `Conversation of ${when(each.at)}`),
                ),
              ),
            ),
        ),
      ),
    h(
      "div",
      { class: "side-foot" },
      h(
        "button",
        { type: "button", class: "button quiet small", onclick: turn },
        icon(theme() === "dark" ? "sun" : "moon"),
        theme() === "dark" ? "Light" : "Dark",
      ),
      about && h("p", { class: "muted" }, about.keys ? `${about.caller}, ${about.level}` : about.workspace),
      about?.keys && button("Sign out", leave, { kind: "quiet small" }),
    ),
  );
}

const leave = () =>
  act("leave", async () => {
    await api("DELETE", "/api/session");
    change({ signedOut: true });
    forget(true);
  });

function banner(about) {
  if (!about || (!about.sandbox && !about.offline.length)) return null;
  const whom =
    about.offline.length > 2
      ? `${about.offline.slice(0, -1).join(", ")} and ${about.offline.at(-1)}`
      : about.offline.join(" and ");
  return h(
    "div",
    { class: "banner", role: "note" },
    about.sandbox && h("p", null, h("strong", null, "Simulator: "), "nothing real is touched."),
    about.offline.length > 0 &&
      h("p", null, h("strong", null, "Offline model: "), `no language model is asked for ${whom}.`),
  );
}

function shell() {
  const about = live("/api", 5).data ?? null;
  state.about = about;
  const [view, given] = place();
  const lost = state.lost || broken();
  const title = view.title(given);
  document.title = `${about?.waiting ? `(${about.waiting}) ` : ""}${title} · Definable`;
  return [
    h(
      "a",
      {
        class: "skip",
        href: "#main",
        onclick: (event) => (event.preventDefault(), document.getElementById("main").focus()),
      },
      "Skip to the page",
    ),
    h(
      "header",
      { class: "top" },
      h(
        "button",
        {
          type: "button",
          id: "menu",
          class: "button quiet",
          "aria-label": "Menu",
          "aria-expanded": String(Boolean(state.menu)),
          "aria-controls": "side",
          onclick: () => (state.menu ? shut() : opened()),
        },
        icon("menu"),
      ),
      h(
        "a",
        { class: "brand", href: "/" },
        h("img", { src: "/favicon.svg", alt: "", width: "22", height: "22" }),
        "Definable",
      ),
      about?.waiting > 0
        ? h(
            "a",
            { class: "count", href: "/inbox", "aria-label": `${about.waiting} waiting for you` },
            String(about.waiting),
          )
        : h("span", null),
    ),
    side(about),
    state.menu && h("div", { class: "veil", onclick: shut }),
    h(
      "main",
      { id: "main", tabindex: "-1", key: "main" },
      banner(about),
      lost &&
        h(
          "p",
          { class: "notice lost", role: "status" },
          h("span", { class: "ring", "aria-hidden": "true" }),
          "The connection is lost. Reconnecting…",
        ),
      h("div", { key: state.path, class: "view" }, view.show(given)),
    ),
    state.toast && h("div", { class: "toast" }, state.toast),
    h("div", { key: "said", class: "hidden", role: "status", "aria-live": "polite" }, state.said),
  ];
}

function opened() {
  change({ menu: true });
  requestAnimationFrame(() => document.querySelector("#side a")?.focus());
}

function shut() {
  change({ menu: false });
  document.getElementById("menu")?.focus();
}

function signIn() {
  const typed = local("key", "");
  const doing = local("entering", {});
  const enter = (event) => {
    event.preventDefault();
    const input = document.getElementById("key"); // a key that was filled in and sent at once is not drawn yet
    if (!input.value.trim()) return void input.focus();
    return act("entering", async () => {
      await api("POST", "/api/session", { key: input.value });
      keep("key", "");
      change({ signedOut: false });
      forget();
    });
  };
  document.title = "Sign in · Definable";
  return h(
    "main",
    { class: "sign-in", id: "main", key: "sign-in" },
    h(
      "form",
      { class: "card form", onsubmit: enter, "aria-labelledby": "sign-in-title" },
      h("img", { src: "/favicon.svg", alt: "", width: "40", height: "40" }),
      h("h1", { id: "sign-in-title" }, "Sign in"),
      h(
        "p",
        { class: "muted" },
        "This service needs a key. ",
        h("code", null, "definable keys grant NAME"),
        " makes one.",
      ),
      h(
        "div",
        { class: "field" },
        h("label", { for: "key" }, "Key"),
        h("input", {
          id: "key",
          type: "password",
          autocomplete: "current-password",
          value: typed,
          placeholder: "dfn_…",
          oninput: (event) => keep("key", event.target.value),
        }),
      ),
      doing.error && problem(doing.error),
      h("button", { type: "submit", class: "button main", disabled: doing.busy }, "Sign in"),
    ),
  );
}

const root = document.getElementById("app");
let height = 0;

function draw() {
  forgetUnused();
  const end = scrollY + innerHeight >= height - 120;
  render(h("div", { class: state.signedOut ? "" : "shell" }, state.signedOut ? signIn() : shell()), root);
  unwatch();
  const grown = document.documentElement.scrollHeight;
  if (state.moved) {
    state.moved = false;
    scrollTo(0, state.path.startsWith("/chat/") ? grown : 0);
    document.querySelector("h1")?.focus({ preventScroll: true });
  } else if (state.path.startsWith("/chat/") && end && grown > height) scrollTo(0, grown);
  height = grown;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (
    !link ||
    event.defaultPrevented ||
    event.button ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    link.target ||
    link.hasAttribute("download")
  )
    return;
  if (link.origin !== location.origin || !VIEWS.some(([form]) => form.test(link.pathname))) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
});
addEventListener("popstate", () => arrive(true));
document.addEventListener("visibilitychange", () => change());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change());

drawnBy(draw);
arrive(false);
