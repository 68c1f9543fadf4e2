// Takes turns with one agent, as a program with the AG-UI client does, and prints what that client made of them.
// stdin: { url, headers, thread, turns: [{ run, say, inputs, answer, leave }] }
import { HttpAgent } from "@ag-ui/client";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const script = JSON.parse(text);

let agent = new HttpAgent({ url: script.url, headers: script.headers ?? {}, threadId: script.thread });
const told = [];
for (const turn of script.turns) {
  if (turn.fresh) agent = new HttpAgent({ url: script.url, headers: script.headers ?? {}, threadId: script.thread });
  if (turn.forget) agent.pendingInterrupts = [];
  if (turn.say) agent.addMessage({ id: `say-${told.length}`, role: "user", content: turn.say });
  const resume = turn.answer === undefined ? undefined : agent.pendingInterrupts.map((each) =>
    turn.answer === null
      ? { interruptId: each.id, status: "cancelled" }
      : { interruptId: each.id, status: "resolved", payload: turn.answer });
  const events = [];
  let error = null;
  const ended = agent.runAgent(
    { runId: turn.run, resume, forwardedProps: turn.inputs ? { inputs: turn.inputs } : {} },
    {
      onEvent: ({ event }) => {
        events.push(event);
        if (event.type === turn.leave) agent.abortRun();
      },
      onRunFailed: ({ error: failed }) => { error = String(failed.message ?? failed); },
    },
  );
  const result = await ended.then((found) => found.result ?? null, (failed) => {
    error = String(failed.message ?? failed);
    return null;
  });
  told.push({
    events, result, error,
    state: agent.state, messages: structuredClone(agent.messages), interrupts: agent.pendingInterrupts,
  });
}
console.log(JSON.stringify(told));
