/** Some parts of a task under the names that they have in it, to be saved and restored without the rest. */
import { Module, type AnyModule } from "../nn/index.js";

export class PartsOnly extends Module<never, never> {
  readonly #parts: readonly (readonly [string, AnyModule])[];

  /** @param parts names within the task, and modules */
  constructor(parts: Iterable<readonly [string, AnyModule]>) {
    super();
    this.#parts = [...parts];
  }

  override forward(): never {
    throw new TypeError("This module only names tensors.");
  }

  protected override parts(): Iterable<[string, unknown]> {
    return this.#parts.map(([name, module]) => [name, module]);
  }
}
