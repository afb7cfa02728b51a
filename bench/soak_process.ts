/** 3000 training steps of a small convolutional and a small attention model in one; prints one JSON object. */
import {
  AdamW,
  clipGradNorm,
  computeGradients,
  crossEntropy,
  engine,
  fromHost,
  Generator,
  HostTensor,
  LayerNorm,
  Linear,
  markStep,
  Module,
  seedEverything,
  Conv2d,
  BatchNorm2d,
  tf,
  TransformerEncoderLayer,
} from "kindling";
import { median } from "./measure.js";

const STEPS = 3000;
const EVERY = 300;
const CLASSES = 5;
const BATCH_SIZES = [1, 2, 3, 4, 5, 6, 7, 8];
const IMAGE_SIZES = [16, 20, 24, 28, 32];
/** Resident memory and heap, as medians of three samples, may end this much higher than they began. */
const GROWTH = 1.05;

/** Two convolutions, then a transformer layer over the places of the picture that they leave. */
class SoakModel extends Module {
  conv1 = new Conv2d(3, 16, 3, { stride: 2, padding: 1, bias: false });
  norm1 = new BatchNorm2d(16);
  conv2 = new Conv2d(16, 32, 3, { stride: 2, padding: 1, bias: false });
  norm2 = new BatchNorm2d(32);
  attention = new TransformerEncoderLayer(32, 2, { dimFeedforward: 64, dropout: 0.1, batchFirst: true });
  norm = new LayerNorm(32);
  head = new Linear(32, CLASSES);

  forward(pixels: tf.Tensor): tf.Tensor {
    const first = tf.relu(this.norm1.forward(this.conv1.forward(pixels)));
    const maps = tf.relu(this.norm2.forward(this.conv2.forward(first)));
    const [batch, height, width, channels] = maps.shape as [number, number, number, number];
    const tokens = this.attention.forward(tf.reshape(maps, [batch, height * width, channels]));
    return this.head.forward(this.norm.forward(tf.mean(tokens, 1)));
  }
}

interface Sample {
  step: number;
  tensors: number;
  buffers: number;
  sessions: number;
  rssMb: number;
  heapMb: number;
}

function takeSample(step: number): Sample {
  globalThis.gc?.();
  const { numTensors, numDataBuffers } = tf.memory();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    step,
    tensors: numTensors,
    buffers: numDataBuffers,
    sessions: engine.stats().cachedSessions,
    rssMb: rss / 2 ** 20,
    heapMb: heapUsed / 2 ** 20,
  };
}

function train(): Sample[] {
  seedEverything(0);
  const random = new Generator(4);
  const model = new SoakModel();
  const parameters = model.parameters();
  const optimizer = new AdamW(parameters, { lr: 1e-3 });
  const samples: Sample[] = [];
  for (let step = 1; step <= STEPS; step++) {
    const batchSize = BATCH_SIZES[random.integer(BATCH_SIZES.length)]!;
    const size = IMAGE_SIZES[random.integer(IMAGE_SIZES.length)]!;
    const pixels = Float32Array.from({ length: batchSize * size * size * 3 }, () => random.uniform());
    const labels = Int32Array.from({ length: batchSize }, () => random.integer(CLASSES));
    tf.tidy(() => {
      const input = fromHost(new HostTensor(pixels, [batchSize, size, size, 3]));
      const target = fromHost(new HostTensor(labels, [batchSize]));
      computeGradients(() => crossEntropy(model.forward(input), target), parameters);
      clipGradNorm(parameters, 1);
      optimizer.step();
      optimizer.zeroGrad();
    });
    markStep();
    if (step % EVERY === 0) samples.push(takeSample(step));
  }
  return samples;
}

function growth(samples: readonly Sample[], key: "rssMb" | "heapMb"): number {
  const medianOf = (some: readonly Sample[]) => median(some.map((sample) => sample[key]));
  return medianOf(samples.slice(-3)) / medianOf(samples.slice(0, 3));
}

const start = performance.now();
const samples = train();
const [first, last] = [samples[0]!, samples.at(-1)!];
const between = (key: keyof Sample) => ({ [`at${first.step}`]: first[key], [`at${last.step}`]: last[key] });
const { compiles, fallbackKernels } = engine.stats();
const counts = ["tensors", "buffers", "sessions"] as const;
const growths = { rss: growth(samples, "rssMb"), heap: growth(samples, "heapMb") };
const result = {
  steps: STEPS,
  seconds: (performance.now() - start) / 1000,
  ...Object.fromEntries([...counts, "rssMb" as const, "heapMb" as const].map((key) => [key, between(key)])),
  growths,
  compiles,
  fallbackKernels,
  rule:
    `tensors, buffers and sessions are the same at every ${EVERY}th step; the median RSS and heap of the last three ` +
    `of them are at most ${GROWTH} times those of the first three`,
  flat:
    counts.every((key) => samples.every((sample) => sample[key] === first[key])) &&
    growths.rss <= GROWTH &&
    growths.heap <= GROWTH,
};
console.log(JSON.stringify(result));
