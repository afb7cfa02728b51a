/** Running a module as in evaluation, whatever it is doing otherwise. */
import type { AnyModule } from "./module.js";

/** Calls a synchronous function while a module is in eval mode; then each part is again in the mode that it was in. */
export function inEvalMode<T>(module: AnyModule, body: () => T): T {
  const modes = [...module.namedModules()].map(([, part]) => [part, part.training] as const);
  module.eval();
  try {
    return body();
  } finally {
    for (const [part, training] of modes) part.training = training;
  }
}
