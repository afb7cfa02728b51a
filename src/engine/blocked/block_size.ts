/**
 * How many channels lie side by side in ONNX Runtime's blocked pictures (its internal NCHWc layout): 8 or 16, whichever
 * the processor's vector instructions like, or 0 where this build has no such kernels.
 */
import { encodeModel } from "../graph/onnx_model.js";
import { Value } from "../graph/value.js";
import { OrtArray, Session } from "../runtime/index.js";

const CHANNELS = 64;

let known: number | undefined;

export function blockSize(): number {
  return (known ??= probe());
}

/** Moves two points of 64 numbered channels into blocks: the second point's first channel begins after one block. */
function probe(): number {
  const channels = Float32Array.from({ length: 2 * CHANNELS }, (_, i) => Math.floor(i / 2));
  const input = new Value([1, CHANNELS, 1, 2], "float32");
  const output = new Value([1, CHANNELS, 1, 2], "float32");
  const node = {
    operator: "com.microsoft.nchwc:ReorderInput",
    inputs: ["x"],
    outputs: ["y"],
    outputValues: [output],
    attributes: {},
  };
  let session: Session;
  try {
    session = new Session(
      encodeModel([node], [{ name: "x", value: input }], [{ name: "y", value: output }], []),
    );
  } catch {
    return 0;
  }
  const blocks = OrtArray.allocate("float32", output.shape);
  session.run([OrtArray.wrap("float32", channels, input.shape)], [blocks]);
  session.dispose();
  return blocks.data.indexOf(0, 1);
}
