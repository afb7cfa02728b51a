/** One model in the Trainer and in a loop written by hand: `trainer_overhead_process.ts MODEL STEPS ROUNDS`. */
import {
  computeGradients,
  CSVLogger,
  engine,
  fromHost,
  markStep,
  ProgressBar,
  seedEverything,
  tf,
  Trainer,
  type TrainerOptions,
} from "kindling";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { median } from "./measure.js";
import {
  makeBatches,
  overheadModels,
  type Batch,
  type Classifier,
  type HostBatch,
} from "./trainer_overhead_models.js";

/** A step in milliseconds, the median of a run. */
export interface StepTime {
  ms: number;
  /** What of it is not ONNX Runtime's. */
  ownMs: number;
}

export interface OverheadMeasurement {
  /** Whether all runs leave the same weights, bit by bit. */
  identical: boolean;
  /** Of each round: the loop written by hand, the Trainer with `barebones`, and with a CSV logger and a progress bar. */
  rounds: { loop: StepTime; bare: StepTime; full: StepTime }[];
}

/** Steps of each run that are not counted: the first compile, the next are recorded. */
const WARMUP = 20;

interface Run extends StepTime {
  weights: Float32Array[];
}

/** Trains a new module from the same seed, and takes the median of the times from one step's beginning to the next's. */
async function timed(
  make: () => Classifier,
  train: (module: Classifier) => void | Promise<void>,
): Promise<Run> {
  seedEverything(0);
  const module = make();
  const starts: { ms: number; runMs: number }[] = [];
  const loss = module.loss.bind(module);
  module.loss = (batch) => {
    starts.push({ ms: performance.now(), runMs: engine.stats().runMs });
    return loss(batch);
  };
  await train(module);
  const since = (key: "ms" | "runMs") => starts.slice(1).map((start, i) => start[key] - starts[i]![key]);
  const [periods, runs] = [since("ms").slice(WARMUP), since("runMs").slice(WARMUP)];
  const weights = module.parameters().map((parameter) => parameter.dataSync<"float32">().slice());
  for (const parameter of module.parameters()) parameter.dispose();
  return { ms: median(periods), ownMs: median(periods.map((ms, i) => ms - runs[i]!)), weights };
}

/** What a user of the engine writes without a Trainer. */
function handWritten(module: Classifier, batches: readonly HostBatch[]): void {
  const optimizer = module.configureOptimizers();
  const parameters = module.parameters();
  module.train();
  for (const { x, target } of batches) {
    tf.tidy(() => {
      const batch: Batch = { x: fromHost(x), target: fromHost(target) };
      computeGradients(() => module.loss(batch), parameters);
      optimizer.step();
      optimizer.zeroGrad();
    });
    markStep();
  }
  optimizer.dispose();
}

function inTrainer(options: TrainerOptions, batches: HostBatch[]): (module: Classifier) => Promise<void> {
  return (module) => new Trainer({ maxEpochs: 1, ...options }).fit(module, { train: batches });
}

async function measure(name: string, steps: number, rounds: number): Promise<OverheadMeasurement> {
  const { make, shape } = overheadModels[name]!;
  const batches = makeBatches(shape, steps);
  const folder = mkdtempSync(join(tmpdir(), "kindling-overhead-"));
  const terminal = Object.assign(new Writable({ write: (_chunk, _encoding, done) => done() }), {
    isTTY: true,
  });
  const full = () => ({
    logger: new CSVLogger({ saveDir: folder }),
    callbacks: new ProgressBar({ stream: terminal }),
  });
  const variants = [
    { name: "loop", train: (module: Classifier) => handWritten(module, batches) },
    { name: "bare", train: inTrainer({ barebones: true }, batches) },
    { name: "full", train: (module: Classifier) => inTrainer(full(), batches)(module) },
  ] as const;
  const measured: OverheadMeasurement["rounds"] = [];
  let expected: Float32Array[] | undefined;
  let identical = true;
  for (let round = 0; round < rounds; round++) {
    const times: Partial<Record<(typeof variants)[number]["name"], StepTime>> = {};
    // Each comes first, second and last equally often, so that a slow moment of the machine hits all of them.
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(round + i) % variants.length]!;
      const { weights, ...time } = await timed(make, variant.train);
      times[variant.name] = time;
      expected ??= weights;
      identical &&= weights.every((weight, j) =>
        weight.every((value, k) => Object.is(value, expected![j]![k])),
      );
    }
    measured.push(times as OverheadMeasurement["rounds"][number]);
  }
  rmSync(folder, { recursive: true });
  return { identical, rounds: measured };
}

const [name, steps, rounds] = process.argv.slice(2);
console.log(JSON.stringify(await measure(name!, Number(steps), Number(rounds))));
