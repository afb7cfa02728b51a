/** Pictures and numbers as loggers are given them: taken at once, read when there is time. */
import * as tf from "@tensorflow/tfjs-core";
import { sharp } from "../../data/image/sharp.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { isTensor } from "../../nested.js";

/** Any numbers: a tensor, or an array in host memory. */
export type LoggableValues = tf.Tensor | HostTensor | ArrayLike<number>;

/**
 * A picture of shape [height, width], or [height, width, channels] with 1, 3 or 4 channels: floats from 0 to 1, or
 * integers from 0 to 255. Or the bytes of a PNG file.
 */
export type LoggableImage = tf.Tensor | HostTensor | Uint8Array;

export interface PngImage {
  height: number;
  width: number;
  png: Uint8Array;
}

/** Numbers with their shape. */
interface Values {
  data: ArrayLike<number>;
  shape: readonly number[];
  dtype: string;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47];

/**
 * Holds on to numbers, so that a step may free its tensors, and reads them later. Call the result exactly once.
 */
export function takeValues(values: LoggableValues): () => Promise<Values> {
  if (values instanceof HostTensor) return () => Promise.resolve(values);
  if (!isTensor(values)) {
    return () => Promise.resolve({ data: values, shape: [values.length], dtype: "float32" });
  }
  const kept = tf.keep(values.clone());
  return async () => {
    try {
      return { data: (await kept.data()).slice(), shape: kept.shape, dtype: kept.dtype };
    } finally {
      kept.dispose();
    }
  };
}

/**
 * As `takeValues`, for a picture, which is made a PNG.
 *
 * @throws ConfigurationError `ERR_LOG_IMAGE` at once where it has another shape
 */
export function takeImage(name: string, image: LoggableImage): () => Promise<PngImage> {
  if (image instanceof Uint8Array) {
    if (PNG_SIGNATURE.some((byte, i) => image[i] !== byte)) {
      throw imageError(name, `${image.length} bytes that are no PNG file`);
    }
    const { buffer, byteOffset } = image;
    const header = new DataView(buffer, byteOffset);
    return () => Promise.resolve({ width: header.getUint32(16), height: header.getUint32(20), png: image });
  }
  const [height = 0, width = 0, channels = 1] = image.shape;
  const isPicture = image.shape.length === 2 || (image.shape.length === 3 && [1, 3, 4].includes(channels));
  if (!isPicture || height * width === 0) throw imageError(name, `the shape [${image.shape.join(", ")}]`);
  const read = takeValues(image);
  return async () => {
    const { data, dtype } = await read();
    const scale = dtype === "float32" ? 255 : 1;
    const bytes = Uint8ClampedArray.from(data, (value) => value * scale);
    const raw = { width, height, channels: channels as 1 | 3 | 4 };
    return { width, height, png: await sharp(bytes, { raw }).png().toBuffer() };
  };
}

function imageError(name: string, came: string): ConfigurationError {
  return new ConfigurationError(
    "ERR_LOG_IMAGE",
    `The image ${JSON.stringify(name)} must have the shape [height, width] or [height, width, channels] with 1, 3 or 4 ` +
      `channels, or be a PNG file's bytes. It has ${came}. Log the pictures of a batch one by one.`,
  );
}
