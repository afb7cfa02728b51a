/** Modules: names, state, modes, containers, memory. Gradients that do not come from one layer. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { markStep } from "../../src/engine/index.js";
import { CheckpointError } from "../../src/errors.js";
import { HostTensor } from "../../src/host_tensor.js";
import * as nn from "../../src/nn/index.js";

class Block extends nn.Module {
  readonly fc1 = new nn.Linear(2, 2);
  readonly batchNorm = new nn.BatchNorm2d(2);
  readonly layers = [new nn.Linear(2, 2, { bias: false }), new nn.Identity()];
  readonly tail = new nn.Sequential(new nn.Linear(2, 1), new nn.Relu());
  readonly classToken = new nn.Parameter(tf.zeros([1, 2]));
  readonly #hidden = new nn.Linear(2, 2);
  readonly labels = ["cat", "dog"];

  forward(input: tf.Tensor): tf.Tensor {
    return this.tail.forward(this.#hidden.forward(input));
  }
}

const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

describe("names", () => {
  const block = new Block();

  it("are PyTorch's, in the order of declaration", () => {
    expect(Object.keys(block.stateDict())).toEqual([
      "class_token",
      "fc1.weight",
      "fc1.bias",
      "batch_norm.weight",
      "batch_norm.bias",
      "batch_norm.running_mean",
      "batch_norm.running_var",
      "batch_norm.num_batches_tracked",
      "layers.0.weight",
      "tail.0.weight",
      "tail.0.bias",
    ]);
    expect(Array.from(block.namedBuffers(), ([name]) => name)).toEqual([
      "batch_norm.running_mean",
      "batch_norm.running_var",
      "batch_norm.num_batches_tracked",
    ]);
    expect(block.parameters()).toHaveLength(8);
    expect(Array.from(block.namedModules(), ([name]) => name)).toEqual([
      "",
      "fc1",
      "batch_norm",
      "layers.0",
      "layers.1",
      "tail",
      "tail.0",
      "tail.1",
    ]);
  });

  it("give a shared module once as a parameter and under each name in the state", () => {
    const shared = new nn.Linear(2, 2, { bias: false });
    const both = new nn.Sequential(shared, shared);
    expect(Array.from(both.namedParameters(), ([name]) => name)).toEqual(["0.weight"]);
    expect(Object.keys(both.stateDict())).toEqual(["0.weight", "1.weight"]);
  });

  it("tell parameters from buffers and plain variables", () => {
    expect(block.classToken).toBeInstanceOf(nn.Parameter);
    expect(block.classToken).toBeInstanceOf(tf.Tensor);
    expect(block.batchNorm.runningMean).not.toBeInstanceOf(nn.Parameter);
    expect(tf.variable(tf.zeros([1]))).not.toBeInstanceOf(nn.Parameter);
  });

  it("of lists are numbers", () => {
    const list = new nn.ModuleList([new nn.Linear(1, 2), new nn.Linear(2, 3)]);
    expect(Array.from(list.namedParameters(), ([name]) => name)).toEqual([
      "0.weight",
      "0.bias",
      "1.weight",
      "1.bias",
    ]);
    expect([...list].map((layer) => layer.outFeatures)).toEqual([2, 3]);
    expect(list.at(-1)).toBe([...list][1]);
    expect(() => list.forward()).toThrow("cannot be called");
  });
});

it("train and eval reach every module", () => {
  const block = new Block().eval();
  const modes = (): boolean[] => Array.from(block.namedModules(), ([, module]) => module.training);
  expect(new Set(modes())).toEqual(new Set([false]));
  block.train();
  expect(new Set(modes())).toEqual(new Set([true]));
});

describe("state", () => {
  it("goes from one module to another, and both stay their own", () => {
    const [a, b] = [new Block(), new Block()];
    expect(values(a.fc1.weight)).not.toEqual(values(b.fc1.weight));
    expect(b.loadStateDict(a.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    const before = values(a.fc1.weight);
    expect(values(b.fc1.weight)).toEqual(before);
    b.fc1.weight.assign(tf.zeros([2, 2]));
    expect(values(a.fc1.weight)).toEqual(before);
  });

  it("comes from arrays too, and is cast", () => {
    const norm = new nn.BatchNorm2d(2);
    const { shape } = norm.weight;
    norm.loadStateDict({
      weight: new HostTensor(Float32Array.of(3, 4), shape),
      bias: tf.tensor1d([5, 6], "int32"),
      running_mean: new HostTensor(Uint8Array.of(7, 200), shape),
      running_var: tf.ones([2]),
      num_batches_tracked: tf.scalar(9),
    });
    expect(Object.values(norm.stateDict()).map(values)).toEqual([[3, 4], [5, 6], [7, 200], [1, 1], [9]]);
    expect(norm.numBatchesTracked.dtype).toBe("int32");
  });

  it("that does not fit is an error naming every key, and changes nothing", () => {
    const layer = new nn.Linear(2, 3);
    const before = values(layer.weight);
    const load = (): unknown =>
      layer.loadStateDict({ weight: tf.zeros([3, 3]), scale: tf.zeros([1]) }, { strict: false });
    expect(load).toThrow(CheckpointError);
    expect(load).toThrow("weight is [3, 2], not [3, 3]");
    expect(() => layer.loadStateDict({ weight: tf.zeros([3, 2]), scale: tf.zeros([1]) })).toThrow(
      /lacks bias\..*has not, scale\./,
    );
    expect(values(layer.weight)).toEqual(before);
  });

  it("may fit in part where strict is off", () => {
    const layer = new nn.Linear(2, 3);
    const result = layer.loadStateDict({ weight: tf.zeros([3, 2]), scale: tf.zeros([1]) }, { strict: false });
    expect(result).toEqual({ missingKeys: ["bias"], unexpectedKeys: ["scale"] });
    expect(values(layer.weight)).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe("memory", () => {
  it("a module costs its tensors, in or out of a scope, and dispose frees them", () => {
    const before = tf.memory().numTensors;
    const outside = new Block();
    const count = Object.keys(outside.stateDict()).length + 2;
    // The array of `classToken` was made by the test itself, outside of any scope.
    expect(tf.memory().numTensors - before).toBe(count + 1);
    let made: Block | undefined;
    tf.tidy(() => void (made = new Block()));
    const inside = made!;
    expect(tf.memory().numTensors - before).toBe(2 * count + 1);
    expect(values(inside.fc1.weight)).toHaveLength(4);
    inside.dispose();
    inside.dispose();
    expect(tf.memory().numTensors - before).toBe(count + 3);
  });

  it("a forgotten module is collected, and TF.js's registry never knew it", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const registered = Object.keys(tf.engine().registeredVariables).length;
    const make = (): WeakRef<nn.Parameter> => {
      const layer = new nn.Linear(4, 4);
      nn.computeGradients(() => tf.sum(layer.forward(tf.ones([1, 4]))), layer.parameters());
      markStep();
      return new WeakRef(layer.weight);
    };
    const weight = make();
    expect(Object.keys(tf.engine().registeredVariables)).toHaveLength(registered);
    for (let i = 0; i < 5 && weight.deref() !== undefined; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      collect();
    }
    expect(weight.deref()).toBeUndefined();
  });
});

describe("computeGradients", () => {
  const scalar = (value: number): nn.Parameter => new nn.Parameter(tf.scalar(value));

  it("adds to what is there and returns the loss", () => {
    const [a, b] = [scalar(2), scalar(3)];
    const loss = nn.computeGradients(() => tf.mul(a, tf.square(b)), [a, b]);
    expect(values(loss)).toEqual([18]);
    nn.computeGradients(() => tf.mul(a, 5), [a, b]);
    expect(values(a.grad!)).toEqual([14]);
    expect(values(b.grad!)).toEqual([12]);
  });

  it("leaves out frozen parameters and those without influence", () => {
    const [a, frozen, idle] = [scalar(2), scalar(3), scalar(4)];
    frozen.requiresGrad = false;
    nn.computeGradients(() => tf.mul(a, frozen), [a, frozen, idle]);
    expect(values(a.grad!)).toEqual([3]);
    expect(frozen.grad).toBeNull();
    expect(idle.grad).toBeNull();
  });

  it("gives each parameter a gradient of its own", () => {
    const [a, b] = [scalar(2), scalar(3)];
    const sum = tf.customGrad((...inputs) => {
      const [x, y] = inputs as [tf.Tensor, tf.Tensor];
      return { value: tf.add(x, y), gradFunc: (dy) => [dy, dy] };
    });
    nn.computeGradients(() => sum(a, b), [a, b]);
    a.zeroGrad();
    expect(values(b.grad!)).toEqual([1]);
  });

  it("keeps two tensors: loss and gradient, also where the function throws", () => {
    const a = scalar(2);
    const before = tf.memory().numTensors;
    nn.computeGradients(() => tf.exp(tf.sin(tf.square(a))), [a]).dispose();
    expect(tf.memory().numTensors).toBe(before + 1);
    a.zeroGrad();
    const fail = (): tf.Tensor => {
      tf.exp(tf.sin(tf.square(a)));
      throw new Error("stop");
    };
    expect(() => nn.computeGradients(fail, [a])).toThrow("stop");
    expect(tf.memory().numTensors).toBe(before);
    nn.computeGradients(() => tf.square(a), [a]);
    expect(values(a.grad!)).toEqual([4]);
  });

  it.each<[string, (a: nn.Parameter) => unknown, string]>([
    ["a vector", (a) => nn.computeGradients(() => tf.stack([a, a]), [a]), "ERR_LOSS_NOT_SCALAR"],
    ["a constant", (a) => nn.computeGradients(() => tf.scalar(1), [a]), "ERR_LOSS_WITHOUT_GRADIENT"],
    [
      "frozen parameters",
      (a) => {
        a.requiresGrad = false;
        return nn.computeGradients(() => tf.square(a), [a]);
      },
      "ERR_NO_TRAINABLE_PARAMETERS",
    ],
  ])("refuses %s", (_name, act, code) => {
    expect(() => act(scalar(1))).toThrow(expect.objectContaining({ code }) as Error);
  });
});
