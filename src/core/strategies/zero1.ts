/**
 * As ddp, with the optimizer's state sharded (stage 1 of Rajbhandari and others, 2020, "ZeRO"): each rank gets the mean
 * gradients of some parameters, updates these, and keeps the state of those alone; all then get the others' new values. The
 * numbers are those of ddp.
 */
import * as tf from "@tensorflow/tfjs-core";
import { allGatherObject, type ProcessGroup } from "../../distributed/index.js";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { ClipGradNormOptions, Optimizer, OptimizerState, Parameter } from "../../nn/index.js";
import { clipGradNormAmong } from "../../nn/optim/clip_grad.js";
import { parametersOf } from "../gradients.js";
import { toHost } from "../to_device.js";
import { DDPStrategy } from "./ddp.js";

/** `ddp` with the optimizer's state sharded over the ranks: the same numbers in less memory. */
export class ZeRO1Strategy extends DDPStrategy {
  override readonly name: string = "zero1";
  /** Which rank updates which parameter. */
  readonly #owners = new Map<Parameter, number>();
  /** Values on their way, those of one rank behind those of another. */
  #values: { group: ProcessGroup; data: Float32Array } | undefined;

  override get shardsOptimizers(): boolean {
    return true;
  }

  /**
   * @throws ConfigurationError `ERR_GRADIENTS_SHARED` inside `noBackwardSync` where gradients have been shared already and
   *   not been set to zero: a rank has only some of them
   */
  override backward(loss: () => tf.Tensor, parameters: readonly Parameter[]): tf.Scalar {
    // What was shared before is the mean already, and what is added now is shared alone.
    const before = new Map<Parameter, tf.Tensor | null>();
    for (const parameter of parameters) {
      if (parameter.gradOwner === undefined) continue;
      before.set(parameter, parameter.grad);
      parameter.grad = null;
    }
    if (before.size > 0 && !this.sharesGradients) throw sharedAlready();
    const value = super.backward(() => {
      const result = loss();
      for (const [parameter, grad] of before) {
        if (parameter.gradOwner !== undefined) continue;
        grad?.dispose(); // the function has set it to zero
        before.delete(parameter);
      }
      return result;
    }, parameters);
    tf.tidy(() => {
      for (const [parameter, grad] of before) {
        if (grad === null) continue;
        if (parameter.grad === null) parameter.grad = grad;
        else parameter.replaceGrad(tf.add(grad, parameter.grad));
        if (parameter.grad !== grad) grad.dispose();
      }
    });
    return value;
  }

  protected override shardsOf(parameters: readonly Parameter[]): readonly (readonly Parameter[])[] {
    this.#assignOwners(parameters);
    return Array.from({ length: this.worldSize }, (_, rank) =>
      parameters.filter((parameter) => this.#owners.get(parameter) === rank),
    );
  }

  /** What is not finite is so for all ranks, whoever's gradient it is. */
  override unscaleGradients(optimizer: Optimizer): void {
    this.precision.unscaleGradients(optimizer, (isFinite) => !this.anyNow([!isFinite])[0]!);
  }

  /** The terms of the norm are each of one parameter, and are added up in the same order as under ddp. */
  override clipGradNorm(
    parameters: readonly Parameter[],
    maxNorm: number,
    options: ClipGradNormOptions = {},
  ): tf.Scalar {
    return clipGradNormAmong(parameters, maxNorm, options, (terms) => {
      const own = terms.filter((term) => term !== null);
      const numbers = own.length === 0 ? [] : tf.stack(own).dataSync();
      let next = 0;
      const all = Float32Array.from(terms, (term) => (term === null ? 0 : numbers[next++]!));
      this.processGroup.allReduce(all).wait();
      return Array.from(all, (term) => tf.scalar(term));
    });
  }

  override optimizerStep(optimizer: Optimizer): boolean {
    this.unscaleGradients(optimizer);
    const stepped = super.optimizerStep(optimizer);
    if (stepped) this.#shareValues(parametersOf(optimizer).filter(({ requiresGrad }) => requiresGrad));
    return stepped;
  }

  override async optimizerState(optimizer: Optimizer): Promise<OptimizerState> {
    const { tensors, steps, paramGroups } = optimizer.stateDict();
    const own = { tensors: (await toHost(tensors)) as Record<string, HostTensor>, steps };
    const all = await allGatherObject(this.processGroup, own);
    return {
      tensors: Object.assign({}, ...all.map(({ tensors }) => tensors)) as Record<string, HostTensor>,
      steps: Object.assign({}, ...all.map(({ steps }) => steps)) as Record<string, number>,
      paramGroups,
    };
  }

  override loadOptimizerState(optimizer: Optimizer, { tensors, steps, paramGroups }: OptimizerState): void {
    const parameters = parametersOf(optimizer);
    this.#assignOwners(parameters);
    const isOwn = (key: string) =>
      this.#owners.get(parameters[Number(key.split(".")[0])]!) === this.globalRank;
    const pick = <T>(record: Record<string, T>): Record<string, T> =>
      Object.fromEntries(Object.entries(record).filter(([key]) => isOwn(key)));
    optimizer.loadStateDict({ tensors: pick(tensors), steps: pick(steps), paramGroups });
  }

  override teardown(): void {
    super.teardown();
    this.#owners.clear();
    this.#values = undefined;
  }

  /** The largest parameter that is left goes to the rank that has the least to do; the same on all ranks. */
  #assignOwners(parameters: readonly Parameter[]): void {
    const load = new Array<number>(this.worldSize).fill(0);
    for (const [{ size }, rank] of this.#owners) load[rank]! += size;
    const left = parameters.filter((parameter) => !this.#owners.has(parameter));
    for (const parameter of left.sort((a, b) => b.size - a.size)) {
      const rank = load.indexOf(Math.min(...load));
      this.#owners.set(parameter, rank);
      load[rank]! += parameter.size;
    }
  }

  #shareValues(parameters: readonly Parameter[]): void {
    const group = this.processGroup;
    const shards = this.shardsOf(parameters);
    const lengths = shards.map((shard) => shard.reduce((sum, { size }) => sum + size, 0));
    const length = lengths.reduce((sum, share) => sum + share, 0);
    if (this.#values?.group !== group || this.#values.data.length !== length) {
      this.#values = { group, data: group.allocate(length) };
    }
    const { data } = this.#values;
    const start = lengths.slice(0, group.rank).reduce((sum, share) => sum + share, 0);
    const own = data.subarray(start, start + lengths[group.rank]!);
    let offset = 0;
    for (const parameter of shards[group.rank]!) {
      own.set(parameter.dataSync<"float32">(), offset);
      offset += parameter.size;
    }
    group.allGather(own, data, lengths).wait();
    offset = 0;
    shards.forEach((shard, rank) => {
      for (const parameter of shard) {
        const end = offset + parameter.size;
        if (rank !== group.rank) {
          const values = data.slice(offset, end);
          tf.tidy(() => parameter.assign(tf.tensor(values, parameter.shape)));
        }
        offset = end;
      }
    });
  }
}

function sharedAlready(): ConfigurationError {
  return new ConfigurationError(
    "ERR_GRADIENTS_SHARED",
    'A backward pass inside of noBackwardSync was to add to gradients that the ranks have shared already, and under "zero1" each ' +
      "rank has some of those alone. Set the gradients to zero first, or share those of every backward pass.",
  );
}
