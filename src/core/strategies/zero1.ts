/**
 * As ddp, with the optimizer's state sharded (stage 1 of Rajbhandari and others, 2020, "ZeRO"): each rank updates a part of
 * the parameters and keeps the state of those alone, and all then get the others' new values. The numbers are those of ddp.
 */
import * as tf from "@tensorflow/tfjs-core";
import { allGatherObject } from "../../distributed/index.js";
import type { HostTensor } from "../../host_tensor.js";
import type { Optimizer, OptimizerState, Parameter } from "../../nn/index.js";
import { parametersOf } from "../gradients.js";
import { toHost } from "../to_device.js";
import { DDPStrategy } from "./ddp.js";

/** `ddp` with the optimizer's state sharded over the ranks: the same numbers in less memory. */
export class ZeRO1Strategy extends DDPStrategy {
  override readonly name: string = "zero1";
  /** Which rank updates which parameter. */
  readonly #owners = new Map<Parameter, number>();
  /** Values on their way: each rank's in a part of equal length. */
  #values = new Float32Array(0);

  override get shardsOptimizers(): boolean {
    return true;
  }

  override optimizerStep(optimizer: Optimizer): boolean {
    const parameters = parametersOf(optimizer);
    this.#assignOwners(parameters);
    this.unscaleGradients(optimizer); // what is not finite is so for all ranks, whoever's parameter it is
    const others = parameters.filter((parameter) => this.#owners.get(parameter) !== this.globalRank);
    const gradients = others.map(({ grad }) => grad);
    for (const parameter of others) parameter.grad = null;
    let stepped: boolean;
    try {
      stepped = super.optimizerStep(optimizer);
    } finally {
      others.forEach((parameter, i) => (parameter.grad = gradients[i]!));
    }
    if (stepped) this.#shareValues(parameters.filter(({ grad }) => grad !== null));
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
  }

  /** The next parameter goes to the rank that has the least to do; the same on all ranks. */
  #assignOwners(parameters: readonly Parameter[]): void {
    const load = new Array<number>(this.worldSize).fill(0);
    for (const [{ size }, rank] of this.#owners) load[rank]! += size;
    for (const parameter of parameters) {
      if (this.#owners.has(parameter)) continue;
      const rank = load.indexOf(Math.min(...load));
      this.#owners.set(parameter, rank);
      load[rank]! += parameter.size;
    }
  }

  #shareValues(changed: readonly Parameter[]): void {
    const byRank = Array.from({ length: this.worldSize }, (_, rank) =>
      changed.filter((parameter) => this.#owners.get(parameter) === rank),
    );
    const length = Math.max(
      ...byRank.map((parameters) => parameters.reduce((sum, { size }) => sum + size, 0)),
    );
    if (this.#values.length !== length * this.worldSize)
      this.#values = new Float32Array(length * this.worldSize);
    const own = new Float32Array(length);
    let offset = 0;
    for (const parameter of byRank[this.globalRank]!) {
      own.set(parameter.dataSync<"float32">(), offset);
      offset += parameter.size;
    }
    this.processGroup.allGather(own, this.#values).wait();
    byRank.forEach((parameters, rank) => {
      let start = rank * length;
      for (const parameter of rank === this.globalRank ? [] : parameters) {
        const values = this.#values.slice(start, start + parameter.size);
        tf.tidy(() => parameter.assign(tf.tensor(values, parameter.shape)));
        start += parameter.size;
      }
    });
  }
}
