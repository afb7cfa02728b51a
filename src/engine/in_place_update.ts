/**
 * Optimizer updates in place. Parameters, gradients and slots of one update lie one behind the other in an array each, and
 * the update runs over them piece by piece: everything between reading a piece and writing it stays in the processor's
 * cache, and nothing is allocated.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "./backend.js";
import { moveOut } from "./common_array.js";
import { Value } from "./graph/value.js";
import { OrtArray } from "./runtime/index.js";

/** Elements of a piece: 256 KiB, of which an update holds about eight at a time, half of them in each of two cores' caches. */
const PIECE = 2 ** 16;

/** A parameter with what its update reads and changes. The slots are replaced by tensors over the common arrays. */
export interface UpdateItem<Slot extends string> {
  readonly parameter: tf.Variable;
  readonly grad: tf.Tensor;
  readonly slots: Record<Slot, tf.Tensor>;
}

/** Elementwise: the same for every element, whatever the shape. */
export type ElementwiseRule<Slot extends string> = (
  value: tf.Tensor,
  grad: tf.Tensor,
  slots: Record<Slot, tf.Tensor>,
) => { value: tf.Tensor; slots: Record<Slot, tf.Tensor> };

export class InPlaceUpdate<Slot extends string> {
  readonly #backend = tf.backend() as OnnxRuntimeBackend;
  readonly #slotNames: readonly Slot[];
  #parts: Part<Slot>[] = [];
  /** The common arrays: parameters, gradients, and each slot. */
  #arrays: OrtArray<"float32">[] = [];
  /** The same in pieces: first all of a piece's arrays, then the next piece's. */
  #pieces: OrtArray[][] = [];
  /** Gradients that lie one behind the other in memory of others, in pieces, and their first byte there. */
  #elsewhere: { buffer: ArrayBufferLike; byteOffset: number; pieces: OrtArray[] } | undefined;

  constructor(slotNames: readonly Slot[]) {
    this.#slotNames = slotNames;
  }

  /**
   * Has the gradients computed where the update reads them. To be called for all updates of a step before the first of them
   * runs, since that computes the gradients of all: one that then lies elsewhere has to be waited for and copied.
   */
  aim(items: readonly UpdateItem<Slot>[]): void {
    const isKnown =
      items.length === this.#parts.length &&
      items.every((item, i) => this.#parts[i]!.parameter === item.parameter);
    if (!isKnown) this.#layOut(items);
    items.forEach((item, i) => this.#parts[i]!.aim(item));
  }

  /**
   * Changes all parameters and slots by the rule, and runs everything that is pending, or begins both in the background.
   *
   * @param items that `aim` was called with
   */
  run(rule: ElementwiseRule<Slot>, items: readonly UpdateItem<Slot>[]): void {
    this.#backend.flush();
    const gradients = this.#gradientsElsewhere(items);
    items.forEach((item, i) => this.#parts[i]!.settle(item, gradients === undefined));
    const { session, feeds } = this.#backend.compileElementwise(
      2 + this.#slotNames.length,
      ([value, grad, ...slots]) => {
        const named = Object.fromEntries(this.#slotNames.map((name, i) => [name, slots[i]!])) as Record<
          Slot,
          tf.Tensor
        >;
        const next = rule(value!, grad!, named);
        return [next.value, ...this.#slotNames.map((name) => next.slots[name])];
      },
    );
    const runs = this.#pieces.map(([value, grad, ...slots], i) => {
      const vectors = [value!, gradients?.[i] ?? grad!, ...slots];
      return {
        inputs: feeds.map((feed) => (typeof feed === "number" ? vectors[feed]! : feed.array!)),
        outputs: [value!, ...slots],
      };
    });
    const numbers = feeds.filter((feed) => typeof feed !== "number");
    const computed = items.map(({ grad }) => this.#backend.entryOf(grad).laid!.value);
    this.#backend.runPieces(session, runs, [...computed, ...numbers]);
  }

  /** Pieces of the gradients where they lie one behind the other already, as those that ranks have shared do. */
  #gradientsElsewhere(items: readonly UpdateItem<Slot>[]): readonly OrtArray[] | undefined {
    const first = this.#backend.rowMajorData(items[0]!.grad);
    if (first === undefined) return undefined;
    const { buffer, byteOffset } = first;
    if (buffer === this.#arrays[1]!.data.buffer) return undefined;
    let end = byteOffset;
    for (const { grad } of items) {
      const data = this.#backend.rowMajorData(grad);
      if (data?.buffer !== buffer || data.byteOffset !== end) return undefined;
      end += data.byteLength;
    }
    if (this.#elsewhere?.buffer !== buffer || this.#elsewhere.byteOffset !== byteOffset) {
      const length = (end - byteOffset) / Float32Array.BYTES_PER_ELEMENT;
      const whole = OrtArray.wrap("float32", new Float32Array(buffer, byteOffset, length), [length]);
      this.#elsewhere = { buffer, byteOffset, pieces: inPieces(whole) };
    }
    return this.#elsewhere.pieces;
  }

  #layOut(items: readonly UpdateItem<Slot>[]): void {
    const size = items.reduce((sum, { parameter }) => sum + parameter.size, 0);
    const arrays = ["value", "grad", ...this.#slotNames].map(() => OrtArray.allocate("float32", [size]));
    let offset = 0;
    this.#parts = items.map(({ parameter }) => {
      const part = new Part(this.#backend, parameter, arrays, this.#slotNames, offset);
      offset += parameter.size;
      return part;
    });
    this.#arrays = arrays;
    const [values, ...others] = arrays.map(inPieces);
    this.#pieces = values!.map((piece, i) => [piece, ...others.map((pieces) => pieces[i]!)]);
    this.#elsewhere = undefined;
  }
}

function inPieces(array: OrtArray): OrtArray[] {
  const [size = 0] = array.shape;
  const starts = Array.from({ length: Math.ceil(size / PIECE) }, (_, i) => i * PIECE);
  return starts.map((start) => array.slice(start, [Math.min(PIECE, size - start)]));
}

/** Where one parameter's numbers lie in the common arrays. */
class Part<Slot extends string> {
  readonly parameter: tf.Variable;
  readonly #backend: OnnxRuntimeBackend;
  readonly #gradArray: OrtArray;
  /** The gradient that lies there. */
  #grad: Value | undefined;
  /** The parameter's own value first, then the slots'. */
  readonly #cells: Cell[];
  readonly #slotNames: readonly Slot[];

  constructor(
    backend: OnnxRuntimeBackend,
    parameter: tf.Variable,
    [values, grads, ...slots]: readonly OrtArray[],
    slotNames: readonly Slot[],
    offset: number,
  ) {
    const { shape } = parameter;
    this.#backend = backend;
    this.parameter = parameter;
    this.#slotNames = slotNames;
    this.#gradArray = grads!.slice(offset, shape);
    this.#cells = [values!, ...slots].map((array) => new Cell(backend, array.slice(offset, shape)));
  }

  /** Has the gradient computed into its place. One of a step before that somebody has kept moves out. */
  aim({ grad }: UpdateItem<Slot>): void {
    const isThere = this.#grad !== undefined && this.#backend.entryOf(grad).laid?.value === this.#grad;
    if (!isThere && this.#grad !== undefined && this.#grad.holders > 0) moveOut(this.#grad, this.#gradArray);
    this.#backend.aim(grad, this.#gradArray);
  }

  /**
   * Brings parameter and slots, and a gradient that was computed before, into their places.
   * @param movesGradient false where it is read from where it lies
   */
  settle(item: UpdateItem<Slot>, movesGradient: boolean): void {
    if (movesGradient) this.#backend.copyInto(item.grad, this.#gradArray);
    const grad = this.#backend.entryOf(item.grad).laid!.value;
    this.#grad = grad.array === this.#gradArray ? grad : undefined;
    const [value, ...slots] = this.#cells;
    if (!value!.holds(this.parameter)) {
      const moved = value!.take(this.parameter);
      this.parameter.assign(moved);
      moved.dispose();
    }
    this.#slotNames.forEach((name, i) => {
      const slot = item.slots[name];
      if (slots[i]!.holds(slot)) return;
      item.slots[name] = tf.keep(slots[i]!.take(slot));
      slot.dispose();
    });
  }
}

/** A tensor's place in a common array. */
class Cell {
  readonly #backend: OnnxRuntimeBackend;
  readonly #array: OrtArray;
  #value: Value | undefined;

  constructor(backend: OnnxRuntimeBackend, array: OrtArray) {
    this.#backend = backend;
    this.#array = array;
  }

  /** Whether the tensor lies here, and nobody else sees it: a clone keeps the numbers of its time. */
  holds(tensor: tf.Tensor): boolean {
    const entry = this.#backend.entryOf(tensor);
    const { value } = entry.laid!;
    if (value !== this.#value || value.array !== this.#array) return false;
    if (value.holders > 1 || entry.references > 1) return false;
    value.touch();
    return true;
  }

  /** A tensor that lies here, with the numbers of the given one, and what lay here before moves out. */
  take(tensor: tf.Tensor): tf.Tensor {
    const isFresh = this.#value === undefined;
    if (!isFresh) moveOut(this.#value!, this.#array);
    this.#backend.copyInto(tensor, this.#array, isFresh);
    this.#value = new Value(this.#array.shape, "float32");
    this.#value.array = this.#array;
    this.#value.isMutable = true;
    const info = this.#backend.output(this.#value, tensor.shape, "float32");
    return tf.engine().makeTensorFromTensorInfo(info);
  }
}
