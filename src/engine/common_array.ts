/**
 * Tensors that lie one behind the other in an array that JavaScript and the engine share: they are computed into it, and
 * what others then write there is seen by tensors without a copy. On devices and other backends numbers are copied.
 */
import * as tf from "@tensorflow/tfjs-core";
import { BACKEND_NAME, type OnnxRuntimeBackend } from "./backend.js";
import { Value } from "./graph/value.js";
import { joinBackground, OrtArray } from "./runtime/index.js";

/** Whether the active TF.js backend computes in memory that JavaScript sees. */
export function sharesMemory(): boolean {
  return tf.getBackend() === BACKEND_NAME && (tf.backend() as OnnxRuntimeBackend).device === undefined;
}

/** Where one tensor lies. */
interface Place {
  readonly shape: readonly number[];
  readonly array: OrtArray<"float32">;
  /** The value of the tensor that was seen there last. */
  seen: Value | undefined;
}

export class CommonArray {
  readonly #places: readonly Place[];

  /**
   * @param data a Float32Array, which may lie in memory that threads share
   * @param tensors where each begins in it, in elements, and its shape
   */
  constructor(data: Float32Array, tensors: readonly { offset: number; shape: readonly number[] }[]) {
    const whole = OrtArray.wrap("float32", data, [data.length]);
    this.#places = tensors.map(({ offset, shape }) => ({
      shape,
      array: whole.slice(offset, shape),
      seen: undefined,
    }));
  }

  /**
   * Brings float32 tensors into their places, computing those that are pending right there. What was seen there before, or
   * is seen elsewhere too, keeps its numbers whatever is written there.
   *
   * @param tensors one for each place; null stands for zeros
   */
  collect(tensors: readonly (tf.Tensor | null)[]): void {
    if (!sharesMemory()) {
      this.#places.forEach(({ array }, i) => fill(array.data, tensors[i]?.dataSync<"float32">()));
      return;
    }
    const backend = tf.backend() as OnnxRuntimeBackend;
    this.#places.forEach((place, i) => {
      const tensor = tensors[i];
      const isThere = tensor != null && backend.entryOf(tensor).laid?.value === place.seen;
      if (!isThere && place.seen !== undefined && place.seen.holders > 0) moveOut(place.seen, place.array);
      place.seen = undefined;
      if (tensor != null) backend.aim(tensor, place.array);
    });
    backend.flush();
    joinBackground();
    this.#places.forEach(({ array }, i) => {
      const tensor = tensors[i];
      if (tensor == null) {
        array.data.fill(0);
        return;
      }
      backend.copyInto(tensor, array);
      const entry = backend.entryOf(tensor);
      const { value } = entry.laid!;
      if (value.holders > 1 || entry.references > 1) moveOut(value, array);
    });
  }

  /** A new tensor, the caller's, of the numbers that are in a place now. */
  tensor(index: number): tf.Tensor {
    const place = this.#places[index]!;
    const { array } = place;
    const shape = [...place.shape];
    if (!sharesMemory()) return tf.tensor(array.data.slice(), shape);
    const value = new Value(shape, "float32");
    value.array = array;
    value.isMutable = true;
    place.seen = value;
    const info = (tf.backend() as OnnxRuntimeBackend).output(value, shape, "float32");
    return tf.engine().makeTensorFromTensorInfo(info);
  }
}

/** Gives a value an array of its own, with the numbers of this moment, if it lies in the given one. */
export function moveOut(value: Value, array: OrtArray): void {
  if (value.array !== array) return;
  joinBackground();
  value.array = OrtArray.wrap(array.type, array.data.slice(), array.shape);
  value.isMutable = false;
}

function fill(place: Float32Array, values: Float32Array | undefined): void {
  if (values === undefined) place.fill(0);
  else place.set(values);
}
