/**
 * Pictures whose channels lie in blocks: [batch, channels / block, height, width, block] in memory, with the shape
 * [batch, channels, height, width] in the graph. ONNX Runtime's fastest convolutions read and write them; it uses them
 * itself for models whose weights are constant.
 */
import { emit, type Value } from "../graph/value.js";
import { inOrder, type Laid } from "../layout.js";

/** The same array with its channels together. */
export function unblocked(laid: Laid): Laid {
  if (laid.blocked !== true) return laid;
  const { value, order } = laid;
  const [, channels, height, width] = value.shape as [number, number, number, number];
  if (height * width === 1) return { value, order };
  const plain = value.derive("unblock", () =>
    emit("com.microsoft.nchwc:ReorderOutput", [value], value.shape, "float32", { channels }),
  );
  return { value: plain, order };
}

/** A channels-first picture, whose axes lie in `order`, with its channels in blocks. */
export function inBlocks(laid: Laid, order: readonly number[]): Value {
  if (laid.blocked === true) return laid.value;
  const value = inOrder(laid, order);
  const [, , height, width] = value.shape as [number, number, number, number];
  if (height * width === 1) return value;
  return value.derive("block", () =>
    emit("com.microsoft.nchwc:ReorderInput", [value], value.shape, "float32"),
  );
}
