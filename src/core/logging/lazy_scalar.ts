/** One number that may still be on the device. It is read when somebody asks, so that a training step never waits. */
import * as tf from "@tensorflow/tfjs-core";
import { aliasOf } from "../../engine/alias.js";
import { ConfigurationError } from "../../errors.js";
import { isTensor } from "../../nested.js";

export class LazyScalar {
  #tensor: tf.Tensor | undefined;
  #value: number;

  /**
   * @param name for the error
   * @throws ConfigurationError `ERR_LOG_VALUE` where the value is neither a number nor a tensor of one element
   */
  constructor(name: string, value: unknown) {
    this.#value = NaN;
    if (typeof value === "number") this.#value = value;
    else if (isTensor(value) && value.size === 1) this.#tensor = tf.keep(aliasOf(value));
    else throw valueError(name, value);
  }

  get value(): number {
    if (this.#tensor !== undefined) {
      this.#value = this.#tensor.dataSync()[0]!;
      this.dispose();
    }
    return this.#value;
  }

  /** Gives up the tensor, read or not. */
  dispose(): void {
    this.#tensor?.dispose();
    this.#tensor = undefined;
  }
}

function valueError(name: string, value: unknown): ConfigurationError {
  const came = isTensor(value) ? `a tensor of shape [${value.shape.join(", ")}]` : describe(value);
  return new ConfigurationError(
    "ERR_LOG_VALUE",
    `log(${JSON.stringify(name)}) takes a number, a tensor with one element or a Metric, not ${came}.` +
      (isTensor(value) ? " Reduce it first, for example with tf.mean." : ""),
  );
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${String(value)} (${typeof value})`;
  return `an object with the keys ${Object.keys(value).join(", ")}; logDict takes several values at once, in one flat object`;
}
