/** A running average of a module's weights, kept on the device beside them. */
import * as tf from "@tensorflow/tfjs-core";
import { markStep } from "../../../engine/index.js";
import type { HostTensor } from "../../../host_tensor.js";
import { Parameter } from "../../../nn/index.js";
import { hostToTensor } from "../../../nn/parameter.js";
import type { AnyLightningModule } from "../../lightning_module.js";
import { toHost } from "../../to_device.js";

/**
 * The next average of one float tensor. Synchronous.
 *
 * @param numAveraged how many values the average has so far, at least 1; a tensor, so that every update is one graph
 */
export type AverageFunction = (average: tf.Tensor, value: tf.Tensor, numAveraged: tf.Scalar) => tf.Tensor;

/** Every value counts the same. */
export const equalAverage: AverageFunction = (average, value, numAveraged) =>
  tf.add(average, tf.div(tf.sub(value, average), tf.add(numAveraged, 1)));

export class AveragedWeights {
  readonly #module: AnyLightningModule;
  readonly #useBuffers: boolean;
  readonly #averages = new Map<string, tf.Tensor>();
  /** The module's own values while the averages stand in for them. */
  #live: Map<string, tf.Tensor> | undefined;
  numAveraged = 0;

  /** @param useBuffers whether float buffers are averaged too; otherwise the latest count */
  constructor(module: AnyLightningModule, useBuffers: boolean) {
    this.#module = module;
    this.#useBuffers = useBuffers;
    this.#averages = copies(module);
  }

  get isSwapped(): boolean {
    return this.#live !== undefined;
  }

  /** Takes the module's values in. The first are the average. */
  update(average: AverageFunction): void {
    tf.tidy(() => {
      const count = tf.scalar(this.numAveraged);
      for (const [name, value] of Object.entries(this.#module.stateDict())) {
        const isAveraged = value instanceof Parameter || (this.#useBuffers && value.dtype === "float32");
        const old = this.#averages.get(name)!;
        const next = isAveraged && this.numAveraged > 0 ? average(old, value, count) : tf.clone(value);
        this.#averages.set(name, tf.keep(next));
        old.dispose();
      }
    });
    this.numAveraged++;
    markStep();
  }

  /** Puts the averages into the module, or its own values back. */
  swap(): void {
    if (this.#live === undefined) {
      this.#live = copies(this.#module);
      assign(this.#module, this.#averages);
    } else {
      assign(this.#module, this.#live);
      dispose(this.#live);
      this.#live = undefined;
    }
  }

  /** Gives the module the averages for good. @param parametersOnly leaves its buffers as they are */
  transfer(parametersOnly = false): void {
    assign(this.#module, this.#averages, parametersOnly);
  }

  /** The averages and the module's own values, in host memory. */
  async read(): Promise<{ averages: Record<string, HostTensor>; live: Record<string, HostTensor> }> {
    const live = this.#live === undefined ? this.#module.stateDict() : Object.fromEntries(this.#live);
    const averages = Object.fromEntries(this.#averages);
    return (await toHost({ averages, live })) as Awaited<ReturnType<AveragedWeights["read"]>>;
  }

  /** Replaces the averages by saved ones of the same names. */
  load(averages: Readonly<Record<string, HostTensor>>, numAveraged: number): void {
    this.numAveraged = numAveraged;
    for (const [name, old] of [...this.#averages]) {
      const saved = averages[name];
      if (saved === undefined) continue;
      this.#averages.set(name, tf.keep(hostToTensor(saved)));
      old.dispose();
    }
  }

  /** Frees everything. The module has its own values back. */
  dispose(): void {
    if (this.isSwapped) this.swap();
    dispose(this.#averages);
  }
}

function copies(module: AnyLightningModule): Map<string, tf.Tensor> {
  const state = Object.entries(module.stateDict());
  return new Map(state.map(([name, value]) => [name, tf.keep(tf.clone<tf.Tensor>(value))]));
}

function assign(
  module: AnyLightningModule,
  values: ReadonlyMap<string, tf.Tensor>,
  parametersOnly = false,
): void {
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    if (!parametersOnly || tensor instanceof Parameter) tensor.assign(values.get(name)!);
  }
}

function dispose(values: Map<string, tf.Tensor>): void {
  for (const tensor of values.values()) tensor.dispose();
  values.clear();
}
