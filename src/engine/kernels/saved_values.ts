/**
 * Values that a forward kernel leaves for its gradient kernel without making tensors of them: nothing is copied out of the
 * graph for them, and one that is lost to an early run of the graph is simply computed again.
 *
 * They hang on the kernel's attributes, an object that TF.js hands unchanged to the gradient; lowerings see copies of it.
 */
import type { Value } from "../graph/value.js";
import type { KernelAttributes } from "./lowering.js";

const saved = new WeakMap<KernelAttributes, readonly Value[]>();
const originals = new WeakMap<KernelAttributes, KernelAttributes>();

/** Has values that are saved on or asked from a copy of attributes hang on the original. */
export function rememberOriginal(copy: KernelAttributes, original: KernelAttributes): void {
  originals.set(copy, original);
}

export function saveForGradient(attributes: KernelAttributes, ...values: readonly Value[]): void {
  saved.set(originals.get(attributes) ?? attributes, values);
}

/** What the forward kernel with these attributes saved. */
export function savedForGradient(attributes: KernelAttributes): readonly Value[] {
  return saved.get(originals.get(attributes) ?? attributes) ?? [];
}
