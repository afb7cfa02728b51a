/** The models of the benchmarks `train-step` and `forward`: the same as in `peers/models.py`. */
import { crossEntropy, fromHost, Generator, HostTensor, Linear, Module, tf } from "kindling";
import { MobileNetV2 } from "../src/backbones/mobilenet_v2.js";
import { ResNet18 } from "../src/backbones/resnet.js";

const CLASSES = 10;

/** What a model is fed: its input, and what the loss compares with. */
export interface Inputs {
  x: tf.Tensor;
  targets: tf.Tensor;
}

export interface BenchModel {
  module: Module<Inputs, tf.Tensor>;
  inputType: "float32" | "int32";
  /** Replaces the input that batches are made of. */
  setInput: (input: HostTensor) => void;
  /** The same batch each time, in new tensors, as a loader would give it. */
  batch: () => Inputs;
  loss: (output: tf.Tensor, inputs: Inputs) => tf.Scalar;
}

type Backbone = Module<tf.Tensor, tf.Tensor> & { readonly numFeatures: number };

class ImageModel extends Module<Inputs, tf.Tensor> {
  backbone: Backbone;
  head: Linear;

  constructor(backbone: Backbone) {
    super();
    this.backbone = backbone;
    this.head = new Linear(backbone.numFeatures, CLASSES);
  }

  forward({ x }: Inputs): tf.Tensor {
    return this.head.forward(this.backbone.forward(x));
  }
}

function classifyImages(backbone: Backbone, batchSize: number, size: number): BenchModel {
  return {
    module: new ImageModel(backbone),
    ...fed(noise([batchSize, size, size, 3]), classIndices(batchSize, CLASSES)),
    loss: (logits, { targets }) => crossEntropy(logits, targets),
  };
}

function fed(input: HostTensor, targets: HostTensor): Pick<BenchModel, "inputType" | "setInput" | "batch"> {
  let current = input;
  return {
    inputType: input.dtype === "int32" ? "int32" : "float32",
    setInput: (other) => (current = other),
    batch: () => ({ x: fromHost(current), targets: fromHost(targets) }),
  };
}

const builders: Record<string, () => BenchModel> = {
  mobilenet_v2: () => classifyImages(new MobileNetV2(), 16, 96),
  resnet18: () => classifyImages(new ResNet18(), 16, 96),
};

export const MODEL_NAMES: readonly string[] = Object.keys(builders);

export function buildModel(name: string): BenchModel {
  const builder = builders[name];
  if (builder === undefined) throw new Error(`There is no model ${name}, but ${MODEL_NAMES.join(", ")}.`);
  return builder();
}

function noise(shape: number[]): HostTensor {
  const random = new Generator(1);
  const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal());
  return new HostTensor(data, shape);
}

function classIndices(batchSize: number, classes: number): HostTensor {
  return new HostTensor(
    Int32Array.from({ length: batchSize }, (_, i) => i % classes),
    [batchSize],
  );
}
