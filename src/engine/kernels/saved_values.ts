/**
 * Values that a forward kernel leaves for its gradient kernel without making tensors of them: nothing is copied out of the
 * graph for them, and one that is lost to an early run of the graph is simply computed again.
 *
 * They hang on the kernel's attributes, an object that TF.js hands unchanged to the gradient; lowerings see copies of it.
 */
import type { Value } from "../graph/value.js";
import type { KernelAttributes } from "./lowering.js";

const saved = new WeakMap<KernelAttributes, readonly Value[]>();

let lowered: { copy: KernelAttributes; original: KernelAttributes } | undefined;

/** Has what `lower` saves on a copy of attributes, or asks from it, hang on the original. */
export function withCopy<T>(copy: KernelAttributes, original: KernelAttributes, lower: () => T): T {
  const before = lowered;
  lowered = { copy, original };
  try {
    return lower();
  } finally {
    lowered = before;
  }
}

export function saveForGradient(attributes: KernelAttributes, ...values: readonly Value[]): void {
  saved.set(originalOf(attributes), values);
}

/** What the forward kernel with these attributes saved. */
export function savedForGradient(attributes: KernelAttributes): readonly Value[] {
  return saved.get(originalOf(attributes)) ?? [];
}

function originalOf(attributes: KernelAttributes): KernelAttributes {
  return lowered?.copy === attributes ? lowered.original : attributes;
}
