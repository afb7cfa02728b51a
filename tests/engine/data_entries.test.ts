/** What TF.js notes of its tensors, which lies on their ids: its counts are those of its own map with weak keys. */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";

interface State {
  state: { tensorInfo: unknown };
}

const { state } = tf.engine() as unknown as State;
const onIds = state.tensorInfo;

afterEach(() => (state.tensorInfo = onIds));

/** The counts while tensors are made, shared, computed and disposed, as a difference to those at the beginning. */
function counts(): number[][] {
  const start = tf.memory();
  const seen: number[][] = [];
  const note = () => {
    const { numTensors, numDataBuffers, numBytes } = tf.memory();
    seen.push([
      numTensors - start.numTensors,
      numDataBuffers - start.numDataBuffers,
      numBytes - start.numBytes,
    ]);
  };
  const x = tf.ones([4, 4]);
  note();
  const shared = x.clone();
  note();
  const texts = tf.tensor1d(["a", "bc"]);
  note();
  const sum = tf.tidy(() => tf.sum(tf.mul(x, 2)));
  sum.dataSync();
  note();
  x.dispose();
  note();
  expect(shared.dataSync()).toEqual(new Float32Array(16).fill(1));
  shared.dispose();
  note();
  tf.dispose([texts, sum]);
  note();
  return seen;
}

it("counts tensors as TF.js's own map does", async () => {
  await engine.use({ accelerator: "cpu" });
  expect(onIds).not.toBeInstanceOf(WeakMap);
  const ours = counts();
  expect(ours.at(-1)).toEqual([0, 0, 0]);
  state.tensorInfo = new WeakMap();
  expect(counts()).toEqual(ours);
});
