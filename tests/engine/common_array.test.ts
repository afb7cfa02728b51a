/** Tensors in an array that others write: what is computed there, what is seen there, and what keeps its numbers. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { AdamW, engine, Parameter } from "kindling";
import { CommonArray } from "../../src/engine/common_array.js";

const places = [
  { offset: 0, shape: [2, 2] },
  { offset: 4, shape: [3] },
];

describe.each(["onnxruntime", "cpu"])("an array of the backend %s", (backend) => {
  beforeAll(async () => {
    await engine.use({ accelerator: "cpu" });
    await tf.setBackend(backend);
    return async () => tf.setBackend("onnxruntime");
  });

  const x = () => tf.tensor2d([1, 2, 3, 4], [2, 2]);

  it("gets what is pending, what is computed, and zeros", () => {
    const data = new Float32Array(new SharedArrayBuffer(4 * 8)).fill(9);
    const array = new CommonArray(data, places);
    const computed = tf.tensor1d([5, 6, 7]);
    array.collect([tf.transpose(tf.mul(x(), 2)), computed]);
    expect([...data]).toEqual([2, 6, 4, 8, 5, 6, 7, 9]);
    array.collect([tf.mul(x(), 3), null]);
    expect([...data]).toEqual([3, 6, 9, 12, 0, 0, 0, 9]);
    expect([...computed.dataSync()]).toEqual([5, 6, 7]);
  });

  it("gives tensors of its numbers", () => {
    const data = new Float32Array(8);
    const array = new CommonArray(data, places);
    array.collect([x(), tf.ones([3])]);
    data.set([10, 20, 30, 40, 50, 60, 70]);
    const [first, second] = [array.tensor(0), array.tensor(1)];
    expect(first.shape).toEqual([2, 2]);
    expect([...tf.add(first, 1).dataSync()]).toEqual([11, 21, 31, 41]);
    expect([...second.dataSync()]).toEqual([50, 60, 70]);
  });

  it("leaves their numbers to tensors that are seen elsewhere, or were seen before", () => {
    const data = new Float32Array(8);
    const array = new CommonArray(data, places);
    const shared = tf.mul(x(), 2);
    const clone = tf.clone(shared);
    array.collect([shared, null]);
    data.fill(0);
    expect([...clone.dataSync()]).toEqual([2, 4, 6, 8]);
    data.fill(1);
    const seen = array.tensor(0);
    array.collect([tf.add(seen, x()), tf.ones([3])]);
    expect([...data.subarray(0, 4)]).toEqual([2, 3, 4, 5]);
    expect([...seen.dataSync()]).toEqual([1, 1, 1, 1]);
    // One tensor in two places, and one that lies in its place already.
    const twice = tf.mul(x(), 7);
    const other = new CommonArray(data, [places[0]!, { offset: 4, shape: [2, 2] }]);
    other.collect([twice, tf.clone(twice)]);
    expect([...data]).toEqual([7, 14, 21, 28, 7, 14, 21, 28]);
    data.fill(3, 0, 4);
    const there = other.tensor(0);
    other.collect([there, null]);
    expect([...data]).toEqual([3, 3, 3, 3, 0, 0, 0, 0]);
  });

  it("is where an optimizer reads gradients, with the numbers of any others", () => {
    const train = (lies: boolean) => {
      const parameters = [new Parameter(x()), new Parameter(tf.tensor1d([1, 2, 3]))];
      const optimizer = new AdamW(parameters, { lr: 0.1 });
      const data = new Float32Array(8);
      const array = new CommonArray(data, places);
      for (let step = 1; step <= 4; step++) {
        const values = Float32Array.from({ length: 7 }, (_, i) => Math.sin(i * step));
        data.set(values);
        // In between once from elsewhere.
        const isThere = lies && step !== 3;
        parameters[0]!.grad = tf.keep(isThere ? array.tensor(0) : tf.tensor(values.slice(0, 4), [2, 2]));
        parameters[1]!.grad = tf.keep(isThere ? array.tensor(1) : tf.tensor(values.slice(4)));
        optimizer.step();
        optimizer.zeroGrad();
      }
      return parameters.map((parameter) => [...parameter.dataSync()]);
    };
    expect(train(true)).toEqual(train(false));
  });
});
