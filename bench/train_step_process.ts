/** One model's training steps: `train_step_process.ts MODEL WARMUP_STEPS STEPS MAX_SECONDS` prints one JSON object. */
import { AdamW, clipGradNorm, computeGradients, engine, markStep, seedEverything, tf } from "kindling";
import { median, repeat } from "./measure.js";
import { buildModel } from "./models.js";
import { peakRssMb } from "./process.js";

export interface StepMeasurement {
  ms: number;
  minMs: number;
  traceMs: number;
  firstStepMs: number;
  peakRssMb: number;
  parameters: number;
  compiles: number;
  lastBatch: LastBatch;
  fallbackKernels: Record<string, number>;
  loss: number;
}

/** Steps of fewer samples, as an epoch's last batch has: the first, with the graphs that it compiles, and one like it. */
interface LastBatch {
  size: number;
  firstMs: number;
  ms: number;
  compiles: number;
}

const LAST_BATCH = 5;

interface Step {
  ms: number;
  traceMs: number;
  loss: number;
}

function measure(name: string, warmup: number, steps: number, seconds: number): StepMeasurement {
  seedEverything(0);
  const { module, batch, loss: lossOf } = buildModel(name);
  const parameters = module.parameters();
  const optimizer = new AdamW(parameters, { lr: 1e-4 });

  function step(size?: number): Step {
    const runMsBefore = engine.stats().runMs;
    const start = performance.now();
    const loss = tf.tidy(() => {
      const inputs = batch(size);
      const value = computeGradients(() => lossOf(module.forward(inputs), inputs), parameters);
      clipGradNorm(parameters, 1);
      optimizer.step();
      optimizer.zeroGrad();
      return value;
    });
    markStep();
    const ms = performance.now() - start;
    const traceMs = ms - (engine.stats().runMs - runMsBefore);
    const result = { ms, traceMs, loss: loss.dataSync()[0]! };
    loss.dispose();
    return result;
  }

  const first = step();
  for (let i = 1; i < warmup; i++) step();
  const measured: Step[] = [];
  repeat(() => measured.push(step()), steps, seconds);
  const { compiles, fallbackKernels } = engine.stats();
  const peak = peakRssMb();
  const [firstOfLast, last] = [step(LAST_BATCH), step(LAST_BATCH)];
  return {
    ms: median(measured.map(({ ms }) => ms)),
    minMs: Math.min(...measured.map(({ ms }) => ms)),
    traceMs: median(measured.map(({ traceMs }) => traceMs)),
    firstStepMs: first.ms,
    peakRssMb: peak,
    parameters: parameters.reduce((sum, { size }) => sum + size, 0),
    compiles,
    lastBatch: {
      size: LAST_BATCH,
      firstMs: firstOfLast.ms,
      ms: last.ms,
      compiles: engine.stats().compiles - compiles,
    },
    fallbackKernels,
    loss: measured.at(-1)!.loss,
  };
}

const [name, warmup, steps, seconds] = process.argv.slice(2);
console.log(JSON.stringify(measure(name!, Number(warmup), Number(steps), Number(seconds))));
