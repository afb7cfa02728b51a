/** The models of the benchmarks `train-step` and `forward`: the same as in `peers/models.py`. */
import { crossEntropy, ctcLoss, fromHost, Generator, HostTensor, Linear, Module, tf } from "kindling";
import { Bert } from "#kindling/backbones/bert.js";
import { MobileNetV2 } from "#kindling/backbones/mobilenet_v2.js";
import { resnet18 } from "#kindling/backbones/resnet.js";
import { VisionTransformer, vitSizes } from "#kindling/backbones/vit.js";
import { ConvCtcEncoder } from "./conv_ctc_encoder.js";

const CLASSES = 10;
const VOCABULARY = 30522;
const BERT_CLASSES = 2;
/** Blank, 26 letters, space and apostrophe. */
const LETTERS = 29;

/** What a model is fed: its input, and what the loss compares with. */
export interface Inputs {
  x: tf.Tensor;
  targets: tf.Tensor;
  /** Of sequences of targets, the frames and the labels of each sample. */
  lengths: tf.Tensor[];
}

export interface BenchModel {
  module: Module<Inputs, tf.Tensor>;
  /** Replaces the input that batches are made of. */
  setInput: (input: HostTensor) => void;
  /** The same batch each time, in new tensors, as a loader would give it, or its first samples. */
  batch: (size?: number) => Inputs;
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

class TextModel extends Module<Inputs, tf.Tensor> {
  backbone = new Bert({
    hiddenSize: 256,
    numHiddenLayers: 4,
    numAttentionHeads: 4,
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
  });
  head = new Linear(256, BERT_CLASSES);

  forward({ x }: Inputs): tf.Tensor {
    return this.head.forward(this.backbone.forward({ inputIds: x }).poolerOutput);
  }
}

function classifyText(batchSize: number, length: number): BenchModel {
  const random = new Generator(2);
  const ids = Int32Array.from({ length: batchSize * length }, () => random.integer(VOCABULARY));
  return {
    module: new TextModel(),
    ...fed(new HostTensor(ids, [batchSize, length]), classIndices(batchSize, BERT_CLASSES)),
    loss: (logits, { targets }) => crossEntropy(logits, targets),
  };
}

class SpeechModel extends Module<Inputs, tf.Tensor> {
  encoder = new ConvCtcEncoder(LETTERS);

  forward({ x }: Inputs): tf.Tensor {
    return this.encoder.forward(x);
  }
}

/** Targets of 13 to 24 letters for 50 frames of output. */
function transcribe(batchSize: number): BenchModel {
  const [frames, most] = [200, 24];
  const targetLengths = Int32Array.from({ length: batchSize }, (_, i) => most - ((3 * i) % 12));
  const letters = Int32Array.from({ length: batchSize * most }, (_, at) => {
    const [i, place] = [Math.floor(at / most), at % most];
    return 1 + ((i * 7 + place * 5) % (LETTERS - 1));
  });
  const lengths = [new Int32Array(batchSize).fill(frames / 4), targetLengths];
  return {
    module: new SpeechModel(),
    ...fed(
      noise([batchSize, frames, 80]),
      new HostTensor(letters, [batchSize, most]),
      lengths.map((values) => new HostTensor(values, [batchSize])),
    ),
    loss: (logits, { targets, lengths: [inputLengths, outputLengths] }) => {
      const logProbs = tf.transpose(tf.logSoftmax(logits), [1, 0, 2]);
      return ctcLoss(logProbs, targets, inputLengths!, outputLengths!) as tf.Scalar;
    },
  };
}

function fed(
  input: HostTensor,
  targets: HostTensor,
  lengths: readonly HostTensor[] = [],
): Pick<BenchModel, "setInput" | "batch"> {
  let current = input;
  return {
    setInput: (other) => (current = other),
    batch: (size = current.shape[0]!) => {
      const [x, labels, ...others] = [current, targets, ...lengths].map((all) =>
        fromHost(firstOf(all, size)),
      );
      return { x: x!, targets: labels!, lengths: others };
    },
  };
}

function firstOf(all: HostTensor, size: number): HostTensor {
  const [batch, ...rest] = all.shape;
  if (size === batch) return all;
  return new HostTensor(all.data.slice(0, (all.data.length / batch!) * size), [size, ...rest]);
}

const builders: Record<string, () => BenchModel> = {
  mobilenet_v2: () => classifyImages(new MobileNetV2(), 16, 96),
  resnet18: () => classifyImages(resnet18(), 16, 96),
  vit_tiny: () => classifyImages(new VisionTransformer(vitSizes.vit_ti_16), 8, 224),
  bert_mini: () => classifyText(16, 128),
  conv_ctc: () => transcribe(8),
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
