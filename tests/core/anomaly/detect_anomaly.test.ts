/** `detectAnomaly` names who made the first number that is not finite, in modules made to make one. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import {
  AnomalyError,
  LightningModule,
  MixedPrecision,
  Trainer,
  type TrainerOptions,
} from "../../../src/core/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { Linear, Module, Relu, Sequential, SGD } from "../../../src/nn/index.js";
import { observeForward } from "../../../src/nn/observe_forward.js";
import { seedEverything } from "../../../src/random.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

const quiet: TrainerOptions = {
  logger: false,
  enableProgressBar: false,
  enableCheckpointing: false,
  maxEpochs: 1,
};

/** The logarithm, minus infinity at zero. */
class Log extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return tf.log(input);
  }
}

/** The root, whose gradient is infinite at zero, where its value is zero. */
class Root extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return tf.sqrt(input);
  }
}

class Net extends LightningModule<tf.Tensor, tf.Tensor> {
  readonly encoder: Sequential;
  readonly head = new Linear(3, 1);

  constructor(...layers: Module[]) {
    super();
    this.encoder = new Sequential(new Linear(3, 3), new Relu(), new Sequential(...layers));
    const { weight, bias } = this.encoder.at(0) as Linear;
    weight.assign(tf.eye(3));
    bias!.assign(tf.zeros([3]));
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.head.forward(this.encoder.forward(input));
  }

  override trainingStep({ input }: { input: tf.Tensor }): tf.Tensor {
    return tf.mean(this.forward(input));
  }

  override configureOptimizers() {
    return new SGD(this.parameters(), { lr: 0 });
  }
}

const batch = (...values: number[]) => ({ input: new HostTensor(Float32Array.from(values), [1, 3]) });
const good = batch(1, 2, 3);
const withZero = batch(1, 0, 3);

async function anomalyOf(
  module: LightningModule<never, unknown>,
  train: object[],
  options: TrainerOptions = {},
) {
  const error: unknown = await new Trainer({ ...quiet, detectAnomaly: true, ...options })
    .fit(module, { train })
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(AnomalyError);
  const { code, module: name, pass, batchIdx, message } = error as AnomalyError;
  expect(code).toBe("ERR_ANOMALY");
  return { name, pass, batchIdx, message };
}

describe("detectAnomaly", () => {
  it("names the module whose output is not finite, by its dotted name, and the batch", async () => {
    const found = await anomalyOf(new Net(new Relu(), new Log()), [good, good, withZero]);
    expect(found).toMatchObject({ name: "encoder.2.1", pass: "forward", batchIdx: 2 });
    expect(found.message).toMatch(
      /^detectAnomaly: in batch 2, the output of encoder\.2\.1 \(Log\) is not finite, and everything before it in the forward pass is\./,
    );
  });

  it("names the module whose backward pass makes a gradient that is not finite", async () => {
    const found = await anomalyOf(new Net(new Relu(), new Root()), [good, withZero]);
    expect(found).toMatchObject({ name: "encoder.2.1", pass: "backward", batchIdx: 1 });
    expect(found.message).toMatch(
      /in batch 1, the gradient that encoder\.2\.1 \(Root\) gives to its input is not finite/,
    );
  });

  it("names the parameter where only its gradient overflows", async () => {
    class Huge extends Net {
      override trainingStep({ input }: { input: tf.Tensor }): tf.Tensor {
        return tf.sum(tf.mul(this.head.forward(tf.mul(input, 1e30)), 1e20));
      }
    }
    const model = new Huge(new Relu());
    model.head.weight.assign(tf.fill(model.head.weight.shape, 1e-25));
    expect(await anomalyOf(model, [good])).toMatchObject({
      name: "head",
      pass: "backward",
      message: expect.stringMatching(/the gradient of the parameter head\.weight is not finite/) as string,
    });
  });

  it("does so in manual optimization", async () => {
    class Manual extends Net {
      override automaticOptimization = false;
      override trainingStep(batch: { input: tf.Tensor }): tf.Tensor {
        const loss = this.manualBackward(() => super.trainingStep(batch));
        this.optimizers()[0]!.step();
        return loss;
      }
    }
    const found = await anomalyOf(new Manual(new Relu(), new Root()), [good, withZero]);
    expect(found).toMatchObject({ name: "encoder.2.1", pass: "backward", batchIdx: 1 });
  });

  it("leaves gradients that overflow to mixed precision", async () => {
    class ScaledInFloat32 extends MixedPrecision {
      override get enginePrecision(): "32-true" {
        return "32-true";
      }
    }
    const plugins = new ScaledInFloat32();
    const options = { ...quiet, detectAnomaly: true, plugins };
    await new Trainer(options).fit(new Net(new Root()), { train: [withZero] });
    expect(plugins.scaler.currentScale).toBe(32768);
    await anomalyOf(new Net(new Log()), [withZero], { plugins });
  });

  it("names no module where none is at fault", async () => {
    class LossOf extends Net {
      readonly loss: (output: tf.Tensor) => tf.Tensor;
      constructor(loss: (output: tf.Tensor) => tf.Tensor) {
        super(new Relu());
        this.loss = loss;
      }
      override trainingStep({ input }: { input: tf.Tensor }): tf.Tensor {
        return tf.mean(this.loss(this.forward(input)));
      }
    }
    const zero = (output: tf.Tensor) => tf.mul(output, 0);
    expect(await anomalyOf(new LossOf((output) => tf.log(zero(output))), [good])).toMatchObject({
      name: undefined,
      pass: "forward",
      message: expect.stringMatching(/in batch 0, the loss is not finite/) as string,
    });
    expect(await anomalyOf(new LossOf((output) => tf.sqrt(zero(output))), [good])).toMatchObject({
      name: undefined,
      pass: "backward",
      message: expect.stringMatching(
        /the gradient that reaches the output of LossOf itself is not finite/,
      ) as string,
    });
    expect(await anomalyOf(new Net(new Relu()), [batch(1, NaN, 2)])).toMatchObject({
      name: undefined,
      pass: "forward",
      message: expect.stringMatching(/the input of Net itself is not finite/) as string,
    });
  });

  it("changes no bit of a run without anomalies, leaves modules as they were and no tensor behind", async () => {
    const fit = async (detectAnomaly: boolean) => {
      seedEverything(3);
      const model = new BoringModel();
      await new Trainer({ ...quiet, detectAnomaly, accumulateGradBatches: 2 }).fit(model, {
        train: boringBatches(3),
      });
      expect(Object.hasOwn(model.layer, "forward")).toBe(false);
      return [...model.layer.weight.dataSync()];
    };
    const plain = await fit(false);
    const before = tf.memory().numTensors;
    expect(await fit(true)).toEqual(plain);
    expect(tf.memory().numTensors - before).toBe(2);
  });

  it("leaves tensors of a failed step to nobody", async () => {
    const model = new Net(new Log());
    const before = tf.memory().numTensors;
    await anomalyOf(model, [withZero]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("observeForward", () => {
  it("sees every module once a pass, children before parents' outputs, and gives an own forward back", () => {
    class Own extends Module {
      override forward = (input: tf.Tensor) => input;
    }
    const own = new Own();
    const { forward } = own;
    const model = new Sequential(new Relu(), own);
    const seen: string[] = [];
    const observer = {
      onInput: (name: string, _: unknown, input: unknown) => (seen.push(`> ${name}`), input),
      onOutput: (name: string, _: unknown, output: unknown) => (seen.push(`< ${name}`), output),
    };
    tf.tidy(() => observeForward(model, observer, () => model.forward(tf.ones([1]))));
    expect(seen).toEqual(["> ", "> 0", "< 0", "> 1", "< 1", "< "]);
    expect(own.forward).toBe(forward);
    expect(() =>
      observeForward(model, observer, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(Object.hasOwn(model, "forward")).toBe(false);
  });
});
