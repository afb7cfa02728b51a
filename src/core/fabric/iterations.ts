/** What a pass through a loader lends to the loop's body: tensors that live until the next batch. */
import type * as tf from "@tensorflow/tfjs-core";
import { markStep } from "../../engine/index.js";

/** The batches that loops are busy with, the innermost loop's last. */
export class Iterations {
  readonly #open: Set<tf.Tensor>[] = [];

  /** Begins the body of a loop for one batch, whose tensors these are. Gives the function that ends it. */
  begin(tensors: Iterable<tf.Tensor>): () => void {
    const lent = new Set(tensors);
    this.#open.push(lent);
    return () => {
      this.#open.splice(this.#open.indexOf(lent), 1);
      for (const tensor of lent) tensor.dispose();
      markStep();
    };
  }

  /** Frees a tensor with the innermost batch. Outside of all loops it is the caller's. */
  lend<T extends tf.Tensor>(tensor: T): T {
    this.#open.at(-1)?.add(tensor);
    return tensor;
  }
}
