// Plain words for what the log records, and numbers as people read them.

const FAILURES = {
  ok: "ok",
  rate_limited: "rate limited",
  capacity: "no free place",
  auth_expired: "key refused",
  auth_stray: "key refused, though it is good",
  permission: "not permitted",
  not_found: "not found",
  invalid_input: "refused as invalid",
  conflict: "conflict",
  drift: "the answer has another shape than agreed",
  request_drift: "the request’s shape is no longer accepted",
  false_success: "said yes, but did not do it",
  wrong_host: "not the API that was expected",
  too_large: "the answer is too large",
  unknown_outcome: "no answer: it may or may not have happened",
  upstream_5xx: "the service failed",
  network: "not reachable",
  no_credentials: "no key",
};
export const failure = (name) => FAILURES[name] ?? String(name ?? "").replaceAll("_", " ");

export const EVIDENCE = {
  state: "Read back afterwards, and equal to what was asked for",
  existence: "Looked up afterwards: it is there, or gone, as asked; its contents cannot be read",
  response: "The answer keeps to its contract; nothing more can be looked at",
};
export const CHECKED = { state: "read back", existence: "looked up", response: "answer checked" };

export const ROLES = {
  call: "Sent",
  before: "Looked before",
  look: "Looked after",
  poll: "Asked again",
  page: "Next page",
};

const STATUS = {
  queued: "Queued",
  running: "Running",
  waiting: "Waiting",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  limited: "At a limit",
  stopped: "Stopped",
  ended: "Ended",
};
const REASONS = {
  approval: "for approval",
  auth: "for a key",
  quota: "for quota",
  retry: "to try again",
  review: "for a look",
};
export const standing = (status, reason) =>
  (STATUS[status] ?? status) + (status === "waiting" && reason ? ` ${REASONS[reason] ?? reason}` : "");

export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 0.095) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 120) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

const CLOCK = { hour: "2-digit", minute: "2-digit" };
export function when(at) {
  if (!at) return "";
  const date = new Date(at);
  const day =
    date.toDateString() === new Date().toDateString()
      ? ""
      : `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, `;
  return day + date.toLocaleTimeString(undefined, CLOCK);
}
export const clock = (at) => new Date(at).toLocaleTimeString(undefined, { ...CLOCK, second: "2-digit" });

export const money = (usd) =>
  usd === null || usd === undefined
    ? "price not known"
    : `$${usd >= 1 || usd === 0 ? usd.toFixed(2) : usd.toFixed(4)}`;

export const humane = (name) => {
  const text = String(name)
    .replaceAll(/[_-]+/g, " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
};

export const short = (text, most = 60) => {
  const line = String(text).replaceAll(/\s+/g, " ").trim();
  return line.length <= most ? line : `${line.slice(0, most - 1).trimEnd()}…`;
};

/** Return a tool's name for people: its title where it is known, else its slug in words. */
export const toolName = (tools, slug) => tools?.[slug]?.title ?? humane(String(slug).replace(/^[A-Z]+_/, ""));

/** Return what a call is about in a few words: names of known ids, then plain arguments. */
export function subject(given, names) {
  const named = [],
    plain = [];
  for (const [key, value] of Object.entries(given ?? {})) {
    if (typeof value === "string" && names[value]) named.push(`“${short(names[value], 40)}”`);
    else if (["label", "name", "title", "status", "filePath"].includes(key) && typeof value === "string") {
      plain.push(`“${short(value, 40)}”`);
    } else if (typeof value === "string" && /(^id|Id)$/.test(key)) plain.push(`${value.slice(0, 8)}…`);
  }
  return [...named, ...plain].slice(0, 2).join(", ");
}

/** Return what a person decided on a question, in words. */
export const decided = ({ approve, by, arguments: other, adopt, again, reason }) =>
  [
    `${approve ? "Approved" : "Denied"} by ${by}`,
    other && " with other arguments",
    adopt && `, who took ${adopt}`,
    again && ", who had it sent again",
    reason && `: ${reason}`,
  ]
    .filter(Boolean)
    .join("");
