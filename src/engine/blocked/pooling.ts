/** Pools of blocked pictures, and their sums and means over height and width, with or without the batch. */
import { emit, scalar, type Attributes, type Subgraph, type Value } from "../graph/value.js";
import { reshapeValue, type Laid } from "../layout.js";
import { channelMeans, pictureMeans } from "./channels.js";

/** @returns [batch, channels] or [channels] in memory; undefined for other axes and for pictures without blocks */
export function poolBlocks(
  operator: "ReduceMean" | "ReduceSum",
  { value, order, blocked }: Laid,
  axes: readonly number[],
): Value | undefined {
  if (blocked !== true || order?.[1] !== 3) return undefined;
  const wanted = [...axes].sort((a, b) => a - b).join();
  if (wanted !== "1,2" && wanted !== "0,1,2") return undefined;
  const [batch, channels, height, width] = value.shape as [number, number, number, number];
  const perPicture = wanted === "1,2";
  const means = perPicture ? reshapeValue(pictureMeans(value), [batch, channels]) : channelMeans(value);
  if (operator === "ReduceMean") return means;
  const count = height * width * (perPicture ? 1 : batch);
  return emit("Mul", [means, scalar(count)], means.shape, "float32");
}

/** The mean over windows. */
export function averageInBlocks(image: Value, shape: readonly number[], window: Attributes): Value {
  return emit("com.microsoft.nchwc:AveragePool", [image], shape, "float32", window);
}

/**
 * The maximum over windows, which passes over NaN. ONNX Runtime's would forget what came before one, so NaN is replaced
 * first; but it takes four times as long as the pool to look for it in every number, so that is done where a mean is NaN.
 */
export function maximumInBlocks(image: Value, shape: readonly number[], window: Attributes): Value {
  const sum = emit("ReduceSum", [pictureMeans(image)], [], "float32", { keepdims: 0 });
  const pool = { operator: "com.microsoft.nchwc:MaxPool", outputs: ["pool"], attributes: window };
  const branch = (nodes: Subgraph["nodes"]): { graph: Subgraph } => ({
    graph: { nodes, inputs: [], outputs: [{ name: "pool", shape, type: "float32" }], captured: 2 },
  });
  return emit("If", [emit("IsNaN", [sum], [], "bool"), image, scalar(-Infinity)], shape, "float32", {
    then_branch: branch([
      { operator: "IsNaN", inputs: ["captured0"], outputs: ["isNan"] },
      { operator: "Where", inputs: ["isNan", "captured1", "captured0"], outputs: ["numbers"] },
      { ...pool, inputs: ["numbers"] },
    ]),
    else_branch: branch([{ ...pool, inputs: ["captured0"] }]),
  });
}
