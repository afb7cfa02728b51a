/** What a step returns outlives its scope: as copies that share memory, until the batch's last hook has run. */
import * as tf from "@tensorflow/tfjs-core";
import { aliasOf } from "../../engine/alias.js";
import { isTensor, mapNested, tensorsIn } from "../../nested.js";

/** The same structure with every tensor replaced by one that the step's scope does not free. */
export function detach(outputs: unknown): unknown {
  return mapNested(outputs, (leaf) => (isTensor(leaf) ? tf.keep(aliasOf(leaf)) : leaf));
}

/** Runs the hooks that may look at detached outputs, and frees their tensors. */
export async function lend(outputs: unknown, borrow: () => Promise<unknown>): Promise<void> {
  try {
    await borrow();
  } finally {
    release(outputs);
  }
}

/** Frees the tensors of detached outputs. */
export function release(outputs: unknown): void {
  for (const tensor of tensorsIn(outputs)) tensor.dispose();
}
