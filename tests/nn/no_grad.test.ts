import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { computeGradients, noGrad, Parameter } from "../../src/nn/index.js";
import "../support/backend.js";

describe("noGrad", () => {
  it("makes constants: the gradient of x · noGrad(x) is x, as PyTorch's is, and not 2 x", () => {
    const x = new Parameter(tf.tensor1d([3, -2]));
    computeGradients(
      () =>
        tf.sum(
          tf.mul(
            x,
            noGrad(() => tf.mul(x, 1)),
          ),
        ),
      [x],
    );
    expect([...x.grad!.dataSync()]).toEqual([3, -2]);
  });

  it("notes gradients again afterwards, also where the function throws", () => {
    const x = new Parameter(tf.tensor1d([3]));
    const fail = () => {
      throw new Error("within");
    };
    expect(() => noGrad(fail)).toThrow("within");
    computeGradients(() => tf.sum(tf.square(x)), [x]);
    expect([...x.grad!.dataSync()]).toEqual([6]);
  });
});
