/** The process of a `Work`: loads its module, calls what it exports, and tells how that ended. `work_process.js MODULE` */
import {
  flattenError,
  restoreError,
  settle,
  type FromProcess,
  type Outcome,
  type ToProcess,
} from "./messages.js";
import type { WorkContext } from "./work_context.js";

const stopping = new AbortController();
const waiting = new Map<number, (reply: Outcome) => void>();
let requests = 0;

const context: WorkContext = {
  signal: stopping.signal,
  send: async (message) => tell({ type: "message", message }),
  request: async (message) => {
    const id = requests++;
    const reply = new Promise<Outcome>((resolve) => waiting.set(id, resolve));
    await tell({ type: "request", id, message });
    const outcome = await reply;
    if ("error" in outcome) throw restoreError(outcome.error);
    return outcome.value;
  },
};

async function tell(message: FromProcess): Promise<void> {
  await new Promise<void>((resolve, reject) =>
    process.send!(message, undefined, undefined, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    ),
  );
}

async function run(input: unknown): Promise<void> {
  const outcome = await settle(async () => {
    const module = (await import(process.argv[2]!)) as { default?: unknown };
    if (typeof module.default !== "function") {
      throw new TypeError(`${process.argv[2]} has no function as its default export, and so nothing to run.`);
    }
    return (module.default as (input: unknown, context: WorkContext) => unknown)(input, context);
  });
  // A result that cannot be sent, such as a function, is a failure that can.
  await tell({ type: "end", outcome }).catch((error) =>
    tell({ type: "end", outcome: { error: flattenError(error) } }),
  );
  process.exit(0);
}

function stop(): void {
  stopping.abort();
}

process.on("message", (message: ToProcess) => {
  if (message.type === "start") void run(message.input);
  else if (message.type === "stop") stop();
  else {
    waiting.get(message.id)?.(message.reply);
    waiting.delete(message.id);
  }
});
process.on("SIGTERM", stop);
// Ctrl-C goes to all processes of a terminal. The one that started this decides what becomes of it.
process.on("SIGINT", () => undefined);
// Whoever wanted the result is gone.
process.on("disconnect", () => process.exit(1));
