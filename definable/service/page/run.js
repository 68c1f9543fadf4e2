// What a run's log comes to: a pure function from the view so far and one event to the view after it.
// The live page, a page that was reloaded and a run of last year are shown from the same log in the same way.

/** Return the view of a run of which nothing is known yet. */
export function empty(run) {
  return {
    run,
    seq: 0,
    gap: false,
    status: "queued",
    reason: "",
    until: null,
    inputs: null,
    outputs: null,
    error: null,
    begun: null,
    last: null,
    steps: [],
    calls: {},
    names: {},
    notes: [],
    forked: null,
    log: [],
  };
}

/** Return the view after one more event. One that is known already changes nothing; a missing one is noted. */
export function reduce(view, event) {
  if (event.seq <= view.seq) return view;
  if (event.seq > view.seq + 1) return { ...view, gap: true };
  const line = { seq: event.seq, at: event.at, type: event.type, of: event.call ?? event.step ?? "" };
  const next = {
    ...view,
    seq: event.seq,
    gap: false,
    last: event.at,
    begun: view.begun ?? event.at,
    log: [...view.log, line],
  };
  return TELL[event.type]?.(next, event, event.data) ?? next;
}

const TELL = {
  "run.started": (view, event, data) => ({ ...view, status: "running", inputs: data.inputs ?? {} }),
  "run.resumed": (view, event, data) =>
    note({ ...view, status: "running", reason: "", until: null, error: null }, event, goesOn(data)),
  "run.forked": (view, event, data) => ({ ...view, forked: data }),
  "run.waiting": (view, event, data) => ({
    ...view,
    status: "waiting",
    reason: data.reason ?? "",
    until: data.until ?? null,
  }),
  "run.done": (view, event, data) => ({ ...view, status: "done", outputs: data.outputs ?? {}, error: null }),
  "run.failed": (view, event, data) => ended(view, "failed", data.error),
  "run.limited": (view, event, data) => ended(view, "limited", data.error),
  "run.cancelled": (view) => ended(view, "cancelled", null),
  "step.started": (view, event, data) =>
    step(view, event.step, (old) => ({
      state: "running",
      kind: data.kind,
      agent: data.agent,
      tool: data.tool,
      begun: old.begun ?? event.at,
    })),
  "step.done": (view, event, data) =>
    step(view, event.step, () => ({ state: "done", output: data.output, ended: event.at })),
  "step.skipped": (view, event, data) =>
    step(view, event.step, () => ({ state: "skipped", when: data.when })),
  "model.called": (view, event, data) =>
    step(view, event.step, (old) => ({
      turns: old.turns + 1,
      tokens: old.tokens + (data.input_tokens ?? 0) + (data.output_tokens ?? 0),
      models: old.models.includes(data.model) ? old.models : [...old.models, data.model],
      offline: old.offline || Boolean(data.offline),
    })),
  artifact: (view, event, data) =>
    step(view, event.step, () => ({ artifact: { shape: data.shape, ...data.artifact } })),
  "artifact.rejected": (view, event, data) =>
    step(view, event.step, (old) => ({
      sentBack: [...old.sentBack, { reasons: data.reasons ?? [], at: event.at }],
    })),
  "artifact.accepted": (view, event, data) => step(view, event.step, () => ({ takenBy: data.by })),
  "call.proposed": proposed,
  "call.taken": (view, event, data) => proposed(view, event, { ...data, taken: true }),
  "call.refused": (view, event, data) =>
    step(view, event.step, (old) => ({ refused: [...old.refused, { tool: data.tool, why: data.why }] })),
  "call.parked": (view, event, data) =>
    call(view, event.call, () => ({ waits: { what: data.reason ?? "retry", until: data.until ?? null } })),
  "quota.waits": (view, event, data) =>
    call(view, event.call, () => ({ waits: { what: "quota", bucket: data.bucket, seconds: data.seconds } })),
  "breaker.waits": (view, event, data) =>
    call(view, event.call, () => ({ waits: { what: "breaker", bucket: data.gate, seconds: data.seconds } })),
  "place.waits": (view, event, data) =>
    call(view, event.call, () => ({ waits: { what: "place", bucket: data.run } })),
  "key.awaited": (view, event, data) => note(view, event, { what: "key", sources: data.sources ?? {} }),
  "key.expires": (view, event, data) => note(view, event, { what: "expires", ...data }),
  exchange,
  verdict,
  receipt: (view, event, data) => {
    const receipt = data.receipt ?? data;
    return call(view, event.call, () => ({ receipt, state: receipt.status, waits: null, ask: null }));
  },
  ask: (view, event, data) => {
    const ask = data.ask ?? data;
    if (event.call) return call(view, event.call, () => ({ ask, state: "asks", waits: null }));
    return step(view, event.step ?? ask.arguments?.step ?? current(view), () => ({ ask }));
  },
  decision: (view, event, data) => {
    const decision = data.decision ?? data;
    if (event.call) return call(view, event.call, () => ({ decision, ask: null, state: "open" }));
    const asked = view.steps.find((each) => each.ask);
    return asked ? step(view, asked.id, () => ({ ask: null, decision })) : view;
  },
};

const goesOn = (data) => ({ what: "resumed", reason: data.reason ?? "" });

const note = (view, event, data) => ({
  ...view,
  notes: [...view.notes, { at: event.at, seq: event.seq, ...data }],
});

const current = (view) => view.steps.at(-1)?.id ?? "";

function ended(view, status, error) {
  const steps = view.steps.map((each) => (each.state === "running" ? { ...each, state: status } : each));
  return { ...view, status, error, steps, reason: "", until: null };
}

function step(view, id, change) {
  if (!id) return view;
  const blank = {
    id,
    kind: "agent",
    state: "running",
    agent: null,
    tool: null,
    begun: null,
    ended: null,
    calls: [],
    turns: 0,
    tokens: 0,
    models: [],
    offline: false,
    artifact: null,
    sentBack: [],
    refused: [],
    ask: null,
    output: null,
  };
  const at = view.steps.findIndex((each) => each.id === id);
  const old = at < 0 ? blank : view.steps[at];
  const made = { ...old, ...change(old) };
  return { ...view, steps: at < 0 ? [...view.steps, made] : view.steps.with(at, made) };
}

function call(view, id, change) {
  const old = view.calls[id];
  return old ? { ...view, calls: { ...view.calls, [id]: { ...old, ...change(old) } } } : view;
}

function proposed(view, event, data) {
  const said = data.call && typeof data.call === "object" ? data.call : data;
  const id = event.call ?? said.id;
  if (view.calls[id]) return view;
  const made = {
    id,
    tool: said.tool,
    arguments: said.arguments ?? {},
    step: said.step ?? event.step,
    concern: said.concern,
    at: event.at,
    taken: Boolean(data.taken),
    state: "open",
    attempts: [],
    receipt: null,
    ask: null,
    decision: null,
    waits: null,
  };
  const more = step(view, made.step, (old) => ({ calls: [...old.calls, id] }));
  return { ...more, calls: { ...more.calls, [id]: made } };
}

function exchange(view, event, data) {
  const { n, order, reply } = data.exchange ?? data;
  if (reply.kind === "decision") {
    return call(view, event.call, () => ({ decision: reply, ask: null, state: "open" }));
  }
  const attempt = {
    n,
    role: order.role,
    tool: order.tool,
    changes: reply.reworded?.length ? reply.reworded : order.changes,
    status: reply.status,
    phase: reply.phase,
    error: reply.error,
    seconds: reply.seconds,
    at: reply.at || event.at,
    waited: reply.waited ?? 0,
    heldBy: reply.held_by ?? "",
    why: order.why,
    said: null,
  };
  const seen = call(view, event.call, (old) => ({ attempts: [...old.attempts, attempt], waits: null }));
  const names = { ...seen.names };
  learn(reply.body, names);
  return { ...seen, names };
}

function verdict(view, event, data) {
  if (!event.call) return view;
  const said = { ...data.verdict, move: data.move, next: data.next, why: data.why };
  return call(view, event.call, (old) => ({
    attempts: old.attempts.map((each) => (each.n === data.n ? { ...each, said } : each)),
  }));
}

/** Learn what ids are called, from whatever was answered: a run is easier to read with names than with ids. */
function learn(body, names, depth = 0) {
  if (!body || typeof body !== "object" || depth > 4) return;
  if (Array.isArray(body)) {
    for (const each of body.slice(0, 200)) learn(each, names, depth + 1);
    return;
  }
  const name = body.title ?? body.name ?? body.label;
  if (typeof body.id === "string" && typeof name === "string" && name) names[body.id] = name;
  for (const each of Object.values(body)) learn(each, names, depth + 1);
}

/** Return figures of a run for people: how many calls there were, and how many had to be healed. */
export function tally(view) {
  const calls = Object.values(view.calls);
  const settled = calls.filter((each) => each.receipt);
  return {
    calls: calls.length,
    verified: settled.filter((each) => each.receipt.status === "verified").length,
    healed: settled.filter(healed).length,
    asked: calls.filter((each) => each.state === "asks").length,
  };
}

/** Whether a call came through after something had gone wrong. */
export function healed(each) {
  return each.receipt?.status === "verified" && each.receipt.heals?.length > 0;
}
