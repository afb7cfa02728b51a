/** Means over windows of blocked pictures, and their sums and means over height and width, with or without the batch. */
import { emit, scalar, type Attributes, type Value } from "../graph/value.js";
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
