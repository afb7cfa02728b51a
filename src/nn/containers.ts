/** Modules made of modules, and modules that only pass on or flatten. */
import * as tf from "@tensorflow/tfjs-core";
import { Module, type AnyModule } from "./module.js";
import { stepsOf, type SequentialStep } from "./normed_convolution.js";

/** Calls modules one after the other. Their names are `0`, `1`, … */
export class Sequential extends Module {
  readonly #modules: Module[];
  readonly #steps: SequentialStep[];

  constructor(...modules: Module[]) {
    super();
    this.#modules = modules;
    this.#steps = stepsOf(modules);
  }

  get length(): number {
    return this.#modules.length;
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules.values();
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): Module | undefined {
    return this.#modules.at(index);
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.#steps.reduce((value, step) => step.forward(value), input);
  }

  protected override parts(): [string, unknown][] {
    return this.#modules.map((module, i) => [String(i), module]);
  }
}

/** A list of modules that its owner calls as it likes. Their names are `0`, `1`, … An array property does the same. */
export class ModuleList<M extends AnyModule = Module> extends Module<never, never> {
  readonly #modules: M[];

  constructor(modules: Iterable<M>) {
    super();
    this.#modules = [...modules];
  }

  get length(): number {
    return this.#modules.length;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#modules.values();
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): M | undefined {
    return this.#modules.at(index);
  }

  forward(): never {
    throw new TypeError("A ModuleList cannot be called: call its modules, or use Sequential.");
  }

  protected override parts(): [string, unknown][] {
    return this.#modules.map((module, i) => [String(i), module]);
  }
}

/** Returns its input. */
export class Identity extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return input;
  }
}

/**
 * [batch, …] to [batch, features]. Pictures [batch, height, width, channels] are flattened channel by channel, as in
 * PyTorch, so that a linear layer behind it takes PyTorch's weights.
 */
export class Flatten extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    const ordered = input.rank === 4 ? tf.transpose(input, [0, 3, 1, 2]) : input;
    return tf.reshape(ordered, [input.shape[0], -1]);
  }
}
