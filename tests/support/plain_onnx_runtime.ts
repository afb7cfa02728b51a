/** Runs an ONNX file in onnxruntime-node alone, in a process of its own: the engine's runtime and it do not share one. */
import { execFileSync } from "node:child_process";
import { HostTensor, type HostDType } from "../../src/host_tensor.js";

/** CommonJS, as it is given to node on the command line. */
const SCRIPT = `
process.env.ORT_DISABLE_TELEMETRY = "1";
const { InferenceSession, Tensor } = require("onnxruntime-node");
const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const { path, inputs } = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const feeds = {};
  for (const [name, { dtype, data, shape }] of Object.entries(inputs)) {
    feeds[name] = new Tensor(dtype, arrays[dtype].from(data), shape);
  }
  const results = await session.run(feeds);
  const plain = Object.entries(results).map(([name, { type, data, dims }]) => [name, type, [...data], dims]);
  console.log(JSON.stringify(plain));
})();
`;

const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };

export function runPlainOnnxRuntime(
  path: string,
  inputs: Record<string, HostTensor>,
): Record<string, HostTensor> {
  const plain = Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
    name,
    { dtype, data: [...data], shape },
  ]);
  const output = execFileSync(process.execPath, ["-e", SCRIPT], {
    input: JSON.stringify({ path, inputs: Object.fromEntries(plain) as unknown }),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const results = JSON.parse(output) as [name: string, dtype: HostDType, data: number[], shape: number[]][];
  return Object.fromEntries(
    results.map(([name, dtype, data, shape]) => [
      name,
      new HostTensor(arrays[dtype].from(data), shape, dtype),
    ]),
  );
}
