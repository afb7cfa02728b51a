/** What all ranks take from rank 0: the weights they begin with, after a check that they have the same model, and buffers. */
import * as tf from "@tensorflow/tfjs-core";
import { allGatherObjectNow, type ProcessGroup } from "../../distributed/index.js";
import { DistributedError } from "../../errors.js";
import { ModuleBuffer, type AnyModule } from "../../nn/index.js";

/** @throws DistributedError `ERR_RANK_MODEL` where ranks have other parameters or buffers, naming the first that differs */
export function broadcastWeights(group: ProcessGroup, module: AnyModule): void {
  const tensors = Object.entries(module.stateDict()) as [string, tf.Variable][];
  const own = tensors.map(([name, { dtype, shape }]) => `${name}: ${dtype} [${shape.join(", ")}]`);
  const all = allGatherObjectNow(group, own);
  const [first] = all as [string[]];
  all.forEach((given, rank) => {
    const length = Math.max(first.length, given.length);
    const i = Array.from({ length }, (_, place) => place).find((place) => given[place] !== first[place]);
    if (i === undefined) return;
    throw new DistributedError(
      "ERR_RANK_MODEL",
      `Ranks must train the same model, and number ${i} of its parameters and buffers is ${first[i] ?? "missing"} on rank 0 ` +
        `and ${given[i] ?? "missing"} on rank ${rank}. Make the model alike on all ranks.`,
      { rank },
    );
  });
  sendFromRankZero(
    group,
    tensors.map(([, tensor]) => tensor),
  );
}

/** All ranks take rank 0's buffers, such as running statistics, of which each has made its own. */
export function broadcastBuffers(group: ProcessGroup, module: AnyModule): void {
  const tensors = Object.values(module.stateDict()) as tf.Variable[];
  sendFromRankZero(
    group,
    tensors.filter((tensor) => tensor instanceof ModuleBuffer),
  );
}

function sendFromRankZero(group: ProcessGroup, tensors: readonly tf.Variable[]): void {
  for (const tensor of tensors) {
    const values = tensor.dataSync().slice() as Float32Array | Int32Array;
    group.broadcast(values).wait();
    if (group.rank === 0) continue;
    const sent = tf.tensor(values, tensor.shape, tensor.dtype);
    tensor.assign(sent);
    sent.dispose();
  }
}
