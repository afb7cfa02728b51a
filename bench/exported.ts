/** What `peers/export_onnx.py` wrote: a model as ONNX file, with its weights, its input and the output PyTorch gave. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostTensor, tf, type Module } from "kindling";
import { runPeer } from "./torch.js";

interface Shapes {
  input: number[];
  output: number[];
  /** By PyTorch's names, in the order of its parameters. */
  parameters: Record<string, number[]>;
}

const SHAPES = "shapes.json";

/** Exports a model into a temporary folder, which is removed afterwards. */
export function withExport<Result>(name: string, use: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
  try {
    const shapes = runPeer<Shapes>("export_onnx.py", [name, folder], "passive");
    writeFileSync(join(folder, SHAPES), JSON.stringify(shapes));
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function modelPath(folder: string): string {
  return join(folder, "model.onnx");
}

/** Token ids are int64 in PyTorch and int32 here. */
export function readInput(folder: string): HostTensor {
  const { input } = readShapes(folder);
  const bytes = readBytes(folder, "input.bin");
  const isInt64 = bytes.byteLength === 8 * tf.util.sizeFromShape(input);
  const data = isInt64 ? Int32Array.from(new BigInt64Array(bytes), Number) : new Float32Array(bytes);
  return new HostTensor(data, input);
}

export function readOutput(folder: string): HostTensor {
  return new HostTensor(new Float32Array(readBytes(folder, "output.bin")), readShapes(folder).output);
}

/** Gives a module PyTorch's weights, parameter by parameter: both must declare them in one order. */
export function loadWeights(module: Module<never, tf.Tensor>, folder: string): void {
  const weights = new Float32Array(readBytes(folder, "weights.bin"));
  const named = [...module.namedParameters()];
  const theirs = Object.entries(readShapes(folder).parameters);
  let offset = 0;
  theirs.forEach(([theirName, shape], i) => {
    const [ourName, parameter] = named[i] ?? ["nothing", undefined];
    if (parameter === undefined || !tf.util.arraysEqual(parameter.shape, shape)) {
      const ours = `${ourName} of shape [${parameter?.shape.join(", ") ?? ""}]`;
      throw new Error(`${theirName} of shape [${shape.join(", ")}] does not fit ${ours}.`);
    }
    const data = weights.subarray(offset, offset + parameter.size);
    offset += parameter.size;
    tf.tidy(() => parameter.assign(tf.tensor(data, shape)));
  });
  if (named.length !== theirs.length)
    throw new Error(`${named.length} parameters, ${theirs.length} expected.`);
}

function readShapes(folder: string): Shapes {
  return JSON.parse(readFileSync(join(folder, SHAPES), "utf8")) as Shapes;
}

function readBytes(folder: string, file: string): ArrayBuffer {
  return Uint8Array.from(readFileSync(join(folder, file))).buffer;
}
