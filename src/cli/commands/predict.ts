/** `kindling predict MODEL INPUT…`: one line of results for each input, as it comes. */
import { createInterface } from "node:readline/promises";
import { Command, Option } from "commander";
import { ConfigurationError, KindlingError } from "../../errors.js";
import { resolveInputs } from "../../tasks/image/image_inputs.js";
import { resolveSounds } from "../../tasks/audio/audio_files.js";
import { addFlags } from "../flags.js";
import { tableOf, unflatten, type Section } from "../configuration.js";
import { isForPeople, printJson, printLine, printNote } from "../print.js";
import { loadTask, type LoadedTask } from "../task_files.js";
import { tasks, type TaskCommand } from "../tasks.js";

/** Inputs that are predicted together. */
const CHUNK = 64;

type Flags = Section & { json?: boolean; draw?: string };

export function predictCommand(): Command {
  const command = new Command("predict")
    .description("Says what a trained task finds in each input.")
    .argument("<model>", "the file of a trained task")
    .argument("[inputs...]", "texts, or paths, folders, patterns and URLs; - reads them from standard input")
    .addOption(new Option("--json", "JSON lines, on a terminal too."));
  for (const { className, predictOptions } of Object.values(tasks)) {
    if (predictOptions !== undefined) addFlags(command, tableOf(predictOptions), `${className}:`);
  }
  return command.action(predict);
}

async function predict(model: string, inputs: string[], { json, ...flags }: Flags): Promise<void> {
  const loaded = await loadTask(model);
  checkFlags(loaded.command, flags);
  const isHuman = isForPeople(json);
  let failures = 0;
  for await (const chunk of chunks(inputs, loaded.command)) {
    for (const result of await answer(loaded, chunk, unflatten(flags))) {
      if (!("error" in result)) printResult(result, isHuman);
      else {
        failures++;
        if (isHuman) printNote(`${result.input}: ${result.error.message}`);
        else printJson(result);
      }
    }
  }
  if (failures > 0) process.exitCode = 1;
}

function checkFlags({ className, predictOptions }: TaskCommand, flags: Section): void {
  const known = predictOptions === undefined ? [] : tableOf(predictOptions).map(({ name }) => name);
  const unknown = Object.keys(flags).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new ConfigurationError(
    "ERR_PREDICT_OPTION",
    `The model is a ${className}, whose predictions take no ${unknown.join(", ")}.` +
      (known.length > 0 ? ` They take ${known.join(", ")}.` : ""),
  );
}

/** The inputs one by one, folders and patterns as the files that they stand for. */
async function* chunks(inputs: readonly string[], { inputs: kind }: TaskCommand): AsyncGenerator<string[]> {
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

async function* expand(input: string, kind: TaskCommand["inputs"]): AsyncGenerator<string> {
  if (kind === "texts") yield input;
  else {
    const { sources } = await (kind === "pictures" ? resolveInputs(input) : resolveSounds(input));
    yield* sources as string[];
  }
}

type Result =
  { input: string; prediction: unknown } | { input: string; error: { code: string; message: string } };

/** One bad input does not take the others of its chunk with it. */
async function answer(
  loaded: LoadedTask,
  inputs: readonly string[],
  options: Record<string, unknown>,
): Promise<Result[]> {
  try {
    const predictions = await loaded.task.predict(inputs, options);
    return inputs.map((input, i) => ({ input, prediction: predictions[i] }));
  } catch (error) {
    if (!(error instanceof KindlingError) || error instanceof ConfigurationError) throw error;
    if (inputs.length === 1)
      return [{ input: inputs[0]!, error: { code: error.code, message: error.message } }];
    const results: Result[] = [];
    for (const input of inputs) results.push(...(await answer(loaded, [input], options)));
    return results;
  }
}

function printResult({ input, prediction }: { input: string; prediction: unknown }, isHuman: boolean): void {
  if (!isHuman) return printJson({ input, prediction });
  printLine(`${input}\t${[prediction].flat().map(describe).join(", ") || "nothing"}`);
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
