/** Predictions of many inputs, of which some may be bad. */
import { ConfigurationError, KindlingError } from "../errors.js";
import type { RunnableTask } from "./tasks.js";

/** What came of one input. */
export type Answer = { prediction: unknown } | { error: { code: string; message: string } };

/**
 * One bad input does not take the others with it: where the inputs fail together, each is tried by itself.
 *
 * @throws ConfigurationError for options that the task refuses
 */
export async function predictEach(
  task: RunnableTask,
  inputs: readonly (string | Uint8Array)[],
  options: Record<string, unknown>,
): Promise<Answer[]> {
  try {
    return (await task.predict(inputs, options)).map((prediction) => ({ prediction }));
  } catch (error) {
    if (!(error instanceof KindlingError) || error instanceof ConfigurationError) throw error;
    if (inputs.length === 1) return [{ error: { code: error.code, message: error.message } }];
    const answers: Answer[] = [];
    for (const input of inputs) answers.push(...(await predictEach(task, [input], options)));
    return answers;
  }
}
