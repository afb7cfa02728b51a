/** Runs a stage in a process of its own. */
import { Work, type WorkContext } from "../work/index.js";
import type { StageContext, StageFunction } from "./stage.js";

interface StageWorkInput {
  module: string;
  inputs: unknown;
  context: Omit<StageContext, "signal">;
}

/** @param logFile what the process prints goes there */
export async function runInProcess(
  module: URL,
  inputs: unknown,
  { signal, ...context }: StageContext,
  logFile: string,
): Promise<unknown> {
  const work = new Work<StageWorkInput>(new URL(import.meta.url), { logFile });
  const stop = () => void work.stop();
  signal.addEventListener("abort", stop);
  try {
    return await work.run({ module: module.href, inputs, context });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What the process runs. */
export default async function runStage(
  { module, inputs, context }: StageWorkInput,
  { signal }: WorkContext,
): Promise<unknown> {
  const loaded = (await import(module)) as { default?: unknown };
  if (typeof loaded.default !== "function")
    throw new TypeError(`${module} has no stage: export a function of the inputs as its default.`);
  return (loaded.default as StageFunction)(inputs as never, { ...context, signal });
}
