/** The process of a predictor: loads a task, and answers what it is sent. It ends with the server. */
import { loadTask } from "../catalog/load_task.js";
import { predictEach, type Answer } from "../catalog/predict_each.js";
import type { RunnableTask, TaskEntry } from "../catalog/tasks.js";
import { KindlingError } from "../errors.js";
import { checkInput, limitDecoding } from "./check_input.js";
import type { Input, ModelInfo, PredictorMessage, PredictorRequest, PredictorSetup } from "./predictor.js";

const setup = JSON.parse(process.argv[2]!) as PredictorSetup;

function send(message: PredictorMessage): void {
  process.send!(message);
}

function describe(entry: TaskEntry, task: RunnableTask): ModelInfo {
  const { labels } = task as unknown as { labels?: readonly string[] };
  return { task: entry.className, inputs: entry.inputs, ...(labels && { labels }) };
}

/** An input that breaks a limit is answered with that, and does not reach the task. */
async function answer(
  { entry, task }: { entry: TaskEntry; task: RunnableTask },
  { inputs, options }: PredictorRequest,
): Promise<Answer[]> {
  const answers: (Answer | undefined)[] = await Promise.all(
    inputs.map((input) => checkInput(input, entry.inputs, setup).then(() => undefined, asAnswer)),
  );
  const sound = inputs.filter((_, i) => answers[i] === undefined);
  const predicted =
    sound.length === 0
      ? []
      : await predictAll(task, sound, { ...options, ...limitDecoding(entry.inputs, setup) });
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

// Ctrl-C goes to the whole group; the server decides when its models end.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
try {
  const loaded = await loadTask(setup.path);
  // Several at once: inputs of the next are decoded while the network runs.
  process.on("message", (request: PredictorRequest) => {
    void answer(loaded, request).then((answers) => send({ kind: "answers", id: request.id, answers }));
  });
  send({ kind: "ready", info: describe(loaded.entry, loaded.task) });
} catch (error) {
  const code = error instanceof KindlingError ? error.code : "ERR_MODEL_LOAD";
  send({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
}
