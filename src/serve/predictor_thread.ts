/** The thread of a predictor: loads a task, and answers what it is sent. */
import { parentPort, workerData } from "node:worker_threads";
import { loadTask } from "../catalog/load_task.js";
import { predictEach, type Answer } from "../catalog/predict_each.js";
import type { RunnableTask, TaskEntry } from "../catalog/tasks.js";
import { KindlingError } from "../errors.js";
import { checkInput } from "./check_input.js";
import type { Input, ModelInfo, WorkerData, WorkerMessage, WorkerRequest } from "./predictor.js";

const data = workerData as WorkerData;

function send(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

function describe(entry: TaskEntry, task: RunnableTask): ModelInfo {
  const { labels } = task as unknown as { labels?: readonly string[] };
  return { task: entry.className, inputs: entry.inputs, ...(labels && { labels }) };
}

/** An input that breaks a limit is answered with that, and does not reach the task. */
async function answer(
  { entry, task }: { entry: TaskEntry; task: RunnableTask },
  { inputs, options }: WorkerRequest,
): Promise<Answer[]> {
  const answers: (Answer | undefined)[] = await Promise.all(
    inputs.map((input) => checkInput(input, entry.inputs, data).then(() => undefined, asAnswer)),
  );
  const sound = inputs.filter((_, i) => answers[i] === undefined);
  const predicted = sound.length === 0 ? [] : await predictAll(task, sound, options);
  return answers.map((refused) => refused ?? predicted.shift()!);
}

async function predictAll(
  task: RunnableTask,
  inputs: readonly Input[],
  options: Record<string, unknown>,
): Promise<Answer[]> {
  return predictEach(task, inputs, options).catch((error: unknown) => inputs.map(() => asAnswer(error)));
}

function asAnswer(error: unknown): Answer {
  const code = error instanceof KindlingError ? error.code : "ERR_PREDICT";
  return { error: { code, message: error instanceof Error ? error.message : String(error) } };
}

try {
  const loaded = await loadTask(data.path);
  let last = Promise.resolve();
  parentPort!.on("message", (request: WorkerRequest) => {
    last = last.then(async () =>
      send({ kind: "answers", id: request.id, answers: await answer(loaded, request) }),
    );
  });
  send({ kind: "ready", info: describe(loaded.entry, loaded.task) });
} catch (error) {
  const code = error instanceof KindlingError ? error.code : "ERR_MODEL_LOAD";
  send({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
}
