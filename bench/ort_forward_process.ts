/**
 * Plain ONNX Runtime running an exported model: `ort_forward_process.ts MODEL WARMUP_RUNS RUNS MAX_SECONDS EXPORT_FOLDER`
 * prints one JSON object.
 */
import { availableParallelism } from "node:os";
import { modelPath, readInput } from "./exported.js";
import { median } from "./measure.js";
import { peakRssMb } from "./process.js";

export interface OrtMeasurement {
  ms: number;
  minMs: number;
  peakRssMb: number;
}

async function measure(name: string, warmup: number, count: number, seconds: number, folder: string) {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(modelPath(folder), {
    intraOpNumThreads: availableParallelism(),
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  });
  const isText = name.startsWith("bert");
  const { data, shape } = readInput(folder, isText ? "int32" : "float32");
  const array = isText ? BigInt64Array.from(data, BigInt) : (data as Float32Array);

  async function run(): Promise<number> {
    const start = performance.now();
    const type = isText ? "int64" : "float32";
    await session.run({ input: new Tensor(type, array as Float32Array, shape) });
    return performance.now() - start;
  }

  for (let i = 0; i < warmup; i++) await run();
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  while (times.length < count && (times.length < 5 || performance.now() < end)) times.push(await run());
  return { ms: median(times), minMs: Math.min(...times), peakRssMb: peakRssMb() } satisfies OrtMeasurement;
}

const [name, warmup, count, seconds, folder] = process.argv.slice(2);
console.log(JSON.stringify(await measure(name!, Number(warmup), Number(count), Number(seconds), folder!)));
