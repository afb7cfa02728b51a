/**
 * Pictures whose channels lie in blocks: [batch, channels / block, height, width, block] in memory, with the shape
 * [batch, channels, height, width] in the graph. ONNX Runtime's fastest convolutions read and write them; it uses them
 * itself for models whose weights are constant.
 */
import { emit, Value } from "../graph/value.js";
import { inOrder, reshapeValue, type Laid } from "../layout.js";

/** The same array with its channels together. */
export function unblocked(laid: Laid): Laid {
  if (laid.blocked !== true) return laid;
  const { value, order } = laid;
  return { value: withoutFilling(value, value.shape[1]!), order };
}

/** The first channels of a blocked picture, channels-first. */
export function withoutFilling(value: Value, channels: number): Value {
  const [batch, filled, height, width] = value.shape as [number, number, number, number];
  if (height * width === 1 && channels === filled) return value;
  return value.derive(`unblock ${channels}`, () =>
    emit("com.microsoft.nchwc:ReorderOutput", [value], [batch, channels, height, width], "float32", {
      channels,
    }),
  );
}

/** How many channels blocks have room for. */
export function filledChannels(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** A channels-first picture in blocks, the last one filled up with channels of zeros. */
export function filledBlocks(value: Value, block: number): Value {
  const [batch, channels, height, width] = value.shape as [number, number, number, number];
  const shape = [batch, filledChannels(channels, block), height, width];
  return value.derive("block", () => emit("com.microsoft.nchwc:ReorderInput", [value], shape, "float32"));
}

/** A picture that lies channels-first, its axes in `order`, brought into [batch, height, width, channels]. */
export function channelsLast(laid: Laid, order: readonly number[]): Value {
  const [batchAxis, channelAxis, ...space] = order as [number, number, number, number];
  if (laid.blocked !== true) return inOrder(laid, [batchAxis, ...space, channelAxis]);
  const { value } = laid;
  const [batch, channels, height, width] = value.shape as [number, number, number, number];
  const shape = [batch, height, width, channels];
  if (height * width === 1) return reshapeValue(value, shape);
  return value.derive("unblock, channels last", () =>
    emit("com.microsoft.nchwc:ReorderOutput", [value], shape, "float32", { channels, channels_last: 1 }),
  );
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

/**
 * The second of three axes in blocks: [outer, channels, inner] to [outer, channels / block, inner, block]. ONNX Runtime's
 * own pass for pictures, several times faster than its transpose.
 * @param filled the channels together with those that the last block is filled up with
 */
export function blockMiddle(
  value: Value,
  [outer, channels, inner]: readonly [number, number, number],
  filled = channels,
): Value {
  const input = [outer, channels, 1, inner];
  return value.derive(`block ${input.join()}`, () =>
    emit(
      "com.microsoft.nchwc:ReorderInput",
      [reshapeValue(value, input)],
      [outer, filled, 1, inner],
      "float32",
    ),
  );
}

/** The inverse of `blockMiddle`. */
export function unblockMiddle(
  value: Value,
  [outer, channels, inner]: readonly [number, number, number],
): Value {
  const shape = [outer, channels, 1, inner];
  return emit("com.microsoft.nchwc:ReorderOutput", [reshapeValue(value, shape)], shape, "float32", {
    channels,
  });
}

/** The last axis in blocks that go first: [rows, channels] to [channels / block, rows, block]. */
export function blockLast(value: Value, [rows, channels]: readonly [number, number]): Value {
  const input = reshapeValue(value, [1, 1, rows, channels]);
  return emit("com.microsoft.nchwc:ReorderInput", [input], [1, channels, 1, rows], "float32", {
    channels_last: 1,
  });
}

/** The sum over the first axis, times a factor: a product with a row, many times faster than a reduction. */
export function sumFirst(value: Value, factor = 1): Value {
  const [rows, ...rest] = value.shape as [number, ...number[]];
  const row = new Value([1, rows], "float32", new Array<number>(rows).fill(factor));
  const columns = value.size / rows;
  const sum = emit("MatMul", [row, reshapeValue(value, [rows, columns])], [1, columns], "float32");
  return reshapeValue(sum, rest);
}
