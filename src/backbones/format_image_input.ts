/** Writes a Hugging Face `preprocessor_config.json` of an image model: what `parseImageInput` reads. */
import type { ImageInput } from "./image_backbone.js";

/** PIL's codes, which the format uses. */
const RESAMPLE_CODES = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3 } as const;

/**
 * The file's content for an input, as an object.
 *
 * @param normalizes whether what reads it is to rescale and normalise pictures; if not, the model does
 */
export function formatImageInput(input: ImageInput, normalizes: boolean): Record<string, unknown> {
  const { resize, centerCrop, interpolation, rescaleFactor, mean, std, channelOrder } = input;
  return {
    do_resize: resize !== undefined,
    ...(resize && {
      size: "shortestEdge" in resize ? { shortest_edge: resize.shortestEdge } : { ...resize },
    }),
    resample: RESAMPLE_CODES[interpolation],
    do_center_crop: centerCrop !== undefined,
    ...(centerCrop && { crop_size: { ...centerCrop } }),
    do_rescale: normalizes,
    do_normalize: normalizes,
    ...(normalizes && { rescale_factor: rescaleFactor, image_mean: [...mean], image_std: [...std] }),
    ...(channelOrder === "bgr" && { do_flip_channel_order: normalizes }),
  };
}
