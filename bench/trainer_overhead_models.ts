/** Three small models, where what surrounds a step weighs most, with the batches that they are trained on. */
import {
  AdamW,
  BatchNorm2d,
  Conv2d,
  crossEntropy,
  Flatten,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  MaxPool2d,
  Relu,
  Sequential,
  tf,
  TransformerEncoder,
  TransformerEncoderLayer,
} from "kindling";

const CLASSES = 10;

export interface HostBatch {
  x: HostTensor;
  target: HostTensor;
}

export interface Batch {
  x: tf.Tensor;
  target: tf.Tensor;
}

/** A classifier that logs its loss in each step, as most do. */
export abstract class Classifier extends LightningModule<tf.Tensor, tf.Tensor> {
  abstract override forward(x: tf.Tensor): tf.Tensor;

  loss({ x, target }: Batch): tf.Scalar {
    return crossEntropy(this.forward(x), target);
  }

  override trainingStep(batch: Batch): tf.Scalar {
    const loss = this.loss(batch);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override configureOptimizers(): AdamW {
    return new AdamW(this.parameters(), { lr: 1e-3 });
  }
}

class Mlp extends Classifier {
  readonly layers = new Sequential(new Linear(784, 128), new Relu(), new Linear(128, CLASSES));

  override forward(x: tf.Tensor): tf.Tensor {
    return this.layers.forward(x);
  }
}

class Cnn extends Classifier {
  readonly layers = new Sequential(
    new Conv2d(3, 16, 3, { padding: 1 }),
    new BatchNorm2d(16),
    new Relu(),
    new MaxPool2d(2),
    new Conv2d(16, 32, 3, { padding: 1 }),
    new BatchNorm2d(32),
    new Relu(),
    new MaxPool2d(2),
    new Flatten(),
    new Linear(32 * 8 * 8, CLASSES),
  );

  override forward(x: tf.Tensor): tf.Tensor {
    return this.layers.forward(x);
  }
}

class Transformer extends Classifier {
  readonly encoder = new TransformerEncoder(
    () => new TransformerEncoderLayer(64, 4, { dimFeedforward: 128, batchFirst: true }),
    2,
  );
  readonly head = new Linear(64, CLASSES);

  override forward(x: tf.Tensor): tf.Tensor {
    return this.head.forward(tf.mean(this.encoder.forward(x), 1));
  }
}

export const overheadModels: Record<string, { make: () => Classifier; shape: readonly number[] }> = {
  mlp: { make: () => new Mlp(), shape: [64, 784] },
  cnn: { make: () => new Cnn(), shape: [16, 32, 32, 3] },
  transformer: { make: () => new Transformer(), shape: [16, 32, 64] },
};

/** Batches of noise, all different. */
export function makeBatches(shape: readonly number[], count: number): HostBatch[] {
  const random = new Generator(1);
  const size = shape.reduce((product, length) => product * length, 1);
  return Array.from({ length: count }, () => ({
    x: new HostTensor(
      Float32Array.from({ length: size }, () => random.normal()),
      shape,
    ),
    target: new HostTensor(
      Int32Array.from({ length: shape[0]! }, () => random.integer(CLASSES)),
      [shape[0]!],
    ),
  }));
}
