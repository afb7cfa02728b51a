/**
 * Plain ONNX Runtime running an exported model: `ort_forward_process.ts WARMUP_RUNS RUNS MAX_SECONDS EXPORT_FOLDER` prints
 * one JSON object.
 */
import { availableParallelism } from "node:os";
import { modelPath, readInput } from "./exported.js";
import { median } from "./measure.js";

export interface OrtMeasurement {
  ms: number;
  minMs: number;
}

async function measure(warmup: number, count: number, seconds: number, folder: string) {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(modelPath(folder), {
    intraOpNumThreads: availableParallelism(),
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  });
  const { data, shape } = readInput(folder);
  const isIds = data instanceof Int32Array;
  const array = isIds ? BigInt64Array.from(data, BigInt) : data;

  async function run(): Promise<number> {
    const start = performance.now();
    const type = isIds ? "int64" : "float32";
    await session.run({ input: new Tensor(type, array as Float32Array, shape) });
    return performance.now() - start;
  }

  for (let i = 0; i < warmup; i++) await run();
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  while (times.length < count && (times.length < 5 || performance.now() < end)) times.push(await run());
  return { ms: median(times), minMs: Math.min(...times) } satisfies OrtMeasurement;
}

const [warmup, count, seconds, folder] = process.argv.slice(2);
console.log(JSON.stringify(await measure(Number(warmup), Number(count), Number(seconds), folder!)));
