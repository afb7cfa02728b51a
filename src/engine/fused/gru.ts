/** One direction of a gated recurrent unit over a whole sequence: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

export interface FusedGruInputs {
  /** [frames, batch, inputs] */
  x: tf.Tensor;
  /** [3 · hidden, inputs]: the gates for reset, update and the new state, in PyTorch's order. */
  weightIh: tf.Tensor;
  /** [3 · hidden, hidden] */
  weightHh: tf.Tensor;
  /** [3 · hidden] */
  biasIh: tf.Tensor;
  /** [3 · hidden] */
  biasHh: tf.Tensor;
  /** [batch, hidden]: the state before the first frame. */
  h0: tf.Tensor;
  /** int32 [batch]: the frames of each sequence; outputs behind them are 0. */
  lengths: tf.Tensor;
}

/**
 * The states of a gated recurrent unit (Cho et al., 2014, with the reset gate behind the product, as in cuDNN and PyTorch):
 * r = σ(Wr x + br + Ur h + cr), z likewise, n = tanh(Wn x + bn + r · (Un h + cn)), h' = (1 - z) · n + z · h.
 *
 * @param reverse whether each sequence is read from its last frame to its first
 * @returns [frames, batch, hidden]
 */
export function fusedGru(inputs: FusedGruInputs, reverse: boolean): tf.Tensor {
  const { x, weightIh, weightHh, biasIh, biasHh, h0, lengths } = inputs;
  if (canFuse(x, weightIh, weightHh, biasIh, biasHh, h0)) return runFused("Gru", { ...inputs }, { reverse });
  const [frames, batch] = x.shape as [number, number, number];
  const flat = tf.reshape(x, [frames * batch, -1]);
  const projected = tf.add(tf.matMul(flat, weightIh as tf.Tensor2D, false, true), biasIh);
  const perFrame = frames === 1 ? [projected] : tf.split(projected, frames);
  const states: tf.Tensor[] = [];
  let state = h0;
  for (let step = 0; step < frames; step++) {
    const t = reverse ? frames - 1 - step : step;
    const recurrent = tf.add(tf.matMul(state as tf.Tensor2D, weightHh as tf.Tensor2D, false, true), biasHh);
    const [xr, xz, xn] = tf.split(perFrame[t]!, 3, 1);
    const [hr, hz, hn] = tf.split(recurrent, 3, 1);
    const reset = tf.sigmoid(tf.add(xr!, hr!));
    const update = tf.sigmoid(tf.add(xz!, hz!));
    const fresh = tf.tanh(tf.add(xn!, tf.mul(reset, hn!)));
    const next = tf.add(fresh, tf.mul(update, tf.sub(state, fresh)));
    const isActive = tf.reshape(tf.greater(lengths, tf.scalar(t, "int32")), [-1, 1]);
    const mask = tf.cast(isActive, "float32");
    states[t] = tf.mul(next, mask);
    state = tf.add(state, tf.mul(mask, tf.sub(next, state)));
  }
  return tf.stack(states);
}

tf.registerGradient({
  kernelName: "Gru",
  inputsToSave: ["x", "weightIh", "weightHh", "biasIh", "biasHh", "h0", "lengths"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [x, weightIh, weightHh, biasIh, biasHh, h0, lengths, y] = saved;
    const inputs = { dy: dy as tf.Tensor, x, weightIh, weightHh, biasIh, biasHh, h0, lengths, y };
    const [dx, dWeightIh, dWeightHh, dBiasIh, dBiasHh, dh0] = runFusedAll("GruGrad", inputs, attributes);
    return {
      x: () => dx!,
      weightIh: () => dWeightIh!,
      weightHh: () => dWeightHh!,
      biasIh: () => dBiasIh!,
      biasHh: () => dBiasHh!,
      h0: () => dh0!,
      lengths: () => tf.zerosLike(lengths!),
    };
  },
});
