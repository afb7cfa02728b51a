/**
 * Values that a forward kernel leaves for its gradient kernel without making tensors of them: nothing is copied out of the
 * graph for them, and one that is lost to an early run of the graph is simply computed again.
 *
 * They hang on the kernel's attributes, an object that TF.js hands unchanged to the gradient.
 */
import type { Value } from "../graph/value.js";
import type { KernelAttributes } from "./lowering.js";

const saved = new WeakMap<KernelAttributes, readonly Value[]>();

export function saveForGradient(attributes: KernelAttributes, ...values: readonly Value[]): void {
  saved.set(attributes, values);
}

/** What the forward kernel with these attributes saved. */
export function savedForGradient(attributes: KernelAttributes): readonly Value[] {
  return saved.get(attributes) ?? [];
}
