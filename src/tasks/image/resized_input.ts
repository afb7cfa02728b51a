/** The size of pictures that a task was asked for. */
import { inputSize, type ImageBackbone, type ImageInput } from "../../backbones/index.js";

/**
 * The backbone's own way with pictures, at the size that was asked for.
 *
 * @param imageSize edge of the square that pictures are resized to, in pixels. Default: what the backbone was made for.
 * @throws ConfigurationError `ERR_INPUT_SIZE` where it leaves each picture its shape
 */
export function resizedInput({ input }: ImageBackbone, imageSize: number | undefined): ImageInput {
  if (imageSize === undefined) {
    inputSize(input);
    return input;
  }
  const { centerCrop: _centerCrop, ...rest } = input;
  return { ...rest, resize: { height: imageSize, width: imageSize } };
}
