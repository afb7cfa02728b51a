/**
 * One model's inference: `forward_process.ts MODEL WARMUP_RUNS RUNS MAX_SECONDS [EXPORT_FOLDER]` prints one JSON object.
 * With an exported model, its weights and input are used and the outputs compared.
 */
import { engine, HostTensor, seedEverything, tf } from "kindling";
import { loadWeights, readInput, readOutput } from "./exported.js";
import { median, repeat } from "./measure.js";
import { buildModel } from "./models.js";
import { peakRssMb } from "./process.js";

export interface ForwardMeasurement {
  ms: number;
  minMs: number;
  traceMs: number;
  firstMs: number;
  peakRssMb: number;
  fallbackKernels: Record<string, number>;
  difference: number | null;
}

interface Run {
  ms: number;
  traceMs: number;
  output: Float32Array;
}

function measure(name: string, warmup: number, count: number, seconds: number, folder?: string) {
  seedEverything(0);
  const model = buildModel(name);
  const module = model.module.eval();
  if (folder !== undefined) {
    loadWeights(module, folder);
    model.setInput(channelsLast(readInput(folder)));
  }

  function run(): Run {
    const runMsBefore = engine.stats().runMs;
    const start = performance.now();
    const tensor = tf.tidy(() => module.forward(model.batch()));
    const output = tensor.dataSync<"float32">();
    tensor.dispose();
    const ms = performance.now() - start;
    return { ms, traceMs: ms - (engine.stats().runMs - runMsBefore), output };
  }

  const first = run();
  for (let i = 1; i < warmup; i++) run();
  const runs: Run[] = [];
  repeat(() => runs.push(run()), count, seconds);
  const measurement: ForwardMeasurement = {
    ms: median(runs.map(({ ms }) => ms)),
    minMs: Math.min(...runs.map(({ ms }) => ms)),
    traceMs: median(runs.map(({ traceMs }) => traceMs)),
    firstMs: first.ms,
    peakRssMb: peakRssMb(),
    fallbackKernels: engine.stats().fallbackKernels,
    difference: folder === undefined ? null : difference(first.output, readOutput(folder).data),
  };
  return measurement;
}

/** Pictures as Kindling holds them; anything else as it is. */
function channelsLast(input: HostTensor): HostTensor {
  if (input.shape.length !== 4) return input;
  const pictures = tf.tidy(() => tf.transpose(tf.tensor(input.data, [...input.shape]), [0, 2, 3, 1]));
  const host = new HostTensor(pictures.dataSync<"float32">(), pictures.shape);
  pictures.dispose();
  return host;
}

/** The largest difference relative to the largest magnitude. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const values = Array.from(expected);
  const largest = Math.max(...values.map(Math.abs));
  return Math.max(...values.map((value, i) => Math.abs(value - actual[i]!))) / largest;
}

const [name, warmup, count, seconds, folder] = process.argv.slice(2);
console.log(JSON.stringify(measure(name!, Number(warmup), Number(count), Number(seconds), folder)));
