/** A step through the CTC loss, from logits to their gradient, beside PyTorch's. */
import { computeGradients, ctcLoss, engine, Generator, HostTensor, markStep, Parameter, tf } from "kindling";
import { median, repeat } from "./measure.js";
import type { BenchOptions } from "./options.js";
import { hasTorch, runPeer } from "./torch.js";

/** `labels` is the longest transcript. */
const SHAPES = [
  { frames: 50, batch: 16, classes: 11, labels: 7 },
  { frames: 250, batch: 16, classes: 32, labels: 100 },
  { frames: 1000, batch: 8, classes: 32, labels: 300 },
];
const WARMUP_STEPS = 5;
const STEPS = 100;
const SECONDS = 5;

/** Medians in milliseconds; PyTorch's is the best of one and two threads with either of OpenMP's ways to wait. */
export function ctc({ peers }: BenchOptions): Promise<Record<string, unknown>> {
  const withTorch = peers && hasTorch();
  const cases = SHAPES.map((shape) => {
    const ms = stepMs(shape);
    const torchMs = withTorch ? torchStepMs(shape) : null;
    return { ...shape, ms, torchMs, ratio: torchMs === null ? null : ms / torchMs };
  });
  return Promise.resolve({ models: cases, fallbackKernels: engine.stats().fallbackKernels });
}

function stepMs({ frames, batch, classes, labels }: (typeof SHAPES)[number]): number {
  const random = new Generator(0);
  const values = Float32Array.from({ length: frames * batch * classes }, () => random.normal());
  const logits = new Parameter(new HostTensor(values, [frames, batch, classes]));
  const targets = tf.keep(
    tf.tensor2d(
      Int32Array.from({ length: batch * labels }, () => 1 + random.integer(classes - 1)),
      [batch, labels],
      "int32",
    ),
  );
  const inputLengths = tf.keep(tf.fill([batch], frames, "int32"));
  const targetLengths = tf.keep(
    tf.tensor1d(
      Int32Array.from({ length: batch }, () => 1 + random.integer(labels)),
      "int32",
    ),
  );
  const milliseconds: number[] = [];
  const step = (): void => {
    const start = performance.now();
    const loss = computeGradients(
      () => ctcLoss(tf.logSoftmax(logits), targets, inputLengths, targetLengths),
      [logits],
    );
    markStep();
    logits.grad!.dataSync();
    logits.zeroGrad();
    loss.dispose();
    milliseconds.push(performance.now() - start);
  };
  repeat(step, WARMUP_STEPS + STEPS, SECONDS);
  tf.dispose([targets, inputLengths, targetLengths]);
  return median(milliseconds.slice(Math.min(WARMUP_STEPS, milliseconds.length - 1)));
}

function torchStepMs(shape: (typeof SHAPES)[number]): number {
  const args = [...Object.values(shape), WARMUP_STEPS, STEPS, SECONDS].map(String);
  const policies = ["active", "passive"] as const;
  return Math.min(...policies.map((policy) => runPeer<{ ms: number }>("ctc.py", args, policy).ms));
}
