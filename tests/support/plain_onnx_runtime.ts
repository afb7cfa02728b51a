/** Runs an ONNX file in onnxruntime-node alone, in a process of its own: the engine's runtime and it do not share one. */
import { execFileSync } from "node:child_process";
import { HostTensor, type HostDType } from "../../src/host_tensor.js";

/** CommonJS, as it is given to node on the command line. */
const SCRIPT = `
process.env.ORT_DISABLE_TELEMETRY = "1";
const { InferenceSession, Tensor } = require("onnxruntime-node");
const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };
const { path, runs } = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const all = [];
  for (const inputs of runs) {
    const feeds = {};
    for (const [name, { dtype, data, shape }] of Object.entries(inputs)) {
      const array = dtype === "int64" ? BigInt64Array.from(data, BigInt) : arrays[dtype].from(data);
      feeds[name] = new Tensor(dtype, array, shape);
    }
    const results = Object.entries(await session.run(feeds));
    all.push(results.map(([name, { type, data, dims }]) => [name, type, Array.from(data, Number), dims]));
  }
  console.log(JSON.stringify(all));
})();
`;

const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };

/** An input: a HostTensor, or one of int64. */
export interface PlainInput {
  dtype: HostDType | "int64";
  data: ArrayLike<number>;
  shape: readonly number[];
}

/** What the model gives for each of several sets of inputs. */
export function runPlainOnnxRuntimeOn(
  path: string,
  runs: readonly Record<string, PlainInput>[],
): Record<string, HostTensor>[] {
  const plain = runs.map((inputs) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
        name,
        { dtype, data: Array.from(data), shape },
      ]),
    ),
  );
  const output = execFileSync(process.execPath, ["-e", SCRIPT], {
    input: JSON.stringify({ path, runs: plain }),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  type Result = [name: string, dtype: HostDType, data: number[], shape: number[]];
  return (JSON.parse(output) as Result[][]).map((results) =>
    Object.fromEntries(
      results.map(([name, dtype, data, shape]) => [
        name,
        new HostTensor(arrays[dtype].from(data), shape, dtype),
      ]),
    ),
  );
}

export function runPlainOnnxRuntime(
  path: string,
  inputs: Record<string, PlainInput>,
): Record<string, HostTensor> {
  return runPlainOnnxRuntimeOn(path, [inputs])[0]!;
}
