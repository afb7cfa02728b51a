/** `kindling predict MODEL INPUT…`: one line of results for each input, as it comes. */
import { createInterface } from "node:readline/promises";
import { Command, Option } from "commander";
import { ConfigurationError } from "../../errors.js";
import { resolveInputs } from "../../tasks/image/image_inputs.js";
import { resolveSounds } from "../../tasks/audio/audio_files.js";
import { addFlags, flagOf } from "../flags.js";
import { Drawing } from "./drawing.js";
import { tableOf, unflatten, type Section } from "../configuration.js";
import { isForPeople, printJson, printLine, printNote } from "../print.js";
import { predictEach } from "../../catalog/predict_each.js";
import { loadTask } from "../../catalog/load_task.js";
import { tasks, type TaskEntry } from "../../catalog/tasks.js";

/** Inputs that are predicted together. */
const CHUNK = 64;

type Flags = Section & { json?: boolean; draw?: string };

export function predictCommand(): Command {
  const command = new Command("predict")
    .description("Says what a trained task finds in each input.")
    .argument("<model>", "the file of a trained task")
    .argument("[inputs...]", "texts, or paths, folders, patterns and URLs; - reads them from standard input")
    .addOption(new Option("--json", "JSON lines, on a terminal too."))
    .addOption(
      new Option("--draw <folder>", "Detectors: leaves each picture with its boxes there, as a PNG."),
    );
  for (const { className, predictOptions } of Object.values(tasks)) {
    if (predictOptions !== undefined) addFlags(command, tableOf(predictOptions), `${className}:`);
  }
  return command.action(predict);
}

async function predict(model: string, inputs: string[], { json, draw, ...flags }: Flags): Promise<void> {
  const loaded = await loadTask(model);
  checkFlags(loaded.entry, flags);
  const drawing = draw === undefined ? undefined : new Drawing(loaded, draw);
  const isHuman = isForPeople(json);
  let failures = 0;
  for await (const chunk of chunks(inputs, loaded.entry)) {
    const answers = await predictEach(loaded.task, chunk, unflatten(flags));
    for (const [i, answer] of answers.entries()) {
      const input = chunk[i]!;
      if ("error" in answer) failures++;
      const drawn = "error" in answer ? undefined : await drawing?.draw(input, answer.prediction);
      if (!isHuman) printJson({ input, ...answer, drawn });
      else if ("error" in answer) printNote(`${input}: ${answer.error.message}`);
      else printLine(`${input}\t${[answer.prediction].flat().map(describe).join(", ") || "nothing"}`);
    }
  }
  if (failures > 0) process.exitCode = 1;
}

function checkFlags({ className, predictOptions }: TaskEntry, flags: Section): void {
  const known = predictOptions === undefined ? [] : tableOf(predictOptions).map(({ name }) => name);
  const unknown = Object.keys(flags).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new ConfigurationError(
    "ERR_PREDICT_OPTION",
    `The predictions of this model, of the class ${className}, take no ${unknown.map(flagOf).join(", ")}.` +
      (known.length > 0 ? ` They take ${known.map(flagOf).join(", ")}.` : ""),
  );
}

/** The inputs one by one, folders and patterns as the files that they stand for. */
async function* chunks(inputs: readonly string[], { inputs: kind }: TaskEntry): AsyncGenerator<string[]> {
  const given = inputs.length === 0 ? ["-"] : inputs;
  let chunk: string[] = [];
  for (const input of given) {
    for await (const one of input === "-" ? standardInput() : expand(input, kind)) {
      chunk.push(one);
      if (chunk.length < CHUNK) continue;
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

function standardInput(): AsyncIterable<string> {
  return createInterface({ input: process.stdin, crlfDelay: Infinity });
}

async function* expand(input: string, kind: TaskEntry["inputs"]): AsyncGenerator<string> {
  if (kind === "texts") yield input;
  else {
    const { sources } = await (kind === "pictures" ? resolveInputs(input) : resolveSounds(input));
    yield* sources as string[];
  }
}

/** A prediction in a few words. */
function describe(prediction: unknown): string {
  if (typeof prediction === "number") return String(Number(prediction.toPrecision(4)));
  const { label, score, text, box } = prediction as {
    label?: string;
    score?: number;
    text?: string;
    box?: Record<string, number>;
  };
  const share = score === undefined ? "" : ` ${(score * 100).toFixed(1)} %`;
  const place = box === undefined ? "" : ` at ${Object.values(box).map(Math.round).join(" ")}`;
  return `${label ?? text ?? JSON.stringify(prediction)}${share}${place}`;
}
