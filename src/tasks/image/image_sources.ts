/** Pictures as they are given: sources, arrays in memory, and what each is called. */
import { isPixelData, type ImageSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import type { LabeledSamples } from "../labeled_samples.js";

export type LabeledImages = LabeledSamples<ImageSource>;

/** What messages call the samples. */
export const PICTURES = { one: "picture", many: "pictures" };

/** Pictures in memory: raw pixels, or uint8 or float32 [count, height, width, channels] with values 0 to 255. */
export type ImageArrays = readonly ImageSource[] | HostTensor;

/** @throws ConfigurationError `ERR_IMAGE_ARRAY` for a tensor of another shape or type */
export function listImages(part: string, images: ImageArrays): readonly ImageSource[] {
  if (!(images instanceof HostTensor)) return images;
  const { data, shape, dtype } = images;
  const [count, height, width, channels] = shape;
  if (shape.length !== 4 || data instanceof Int32Array || dtype === "bool") {
    throw new ConfigurationError(
      "ERR_IMAGE_ARRAY",
      `\`${part}\` must be uint8 or float32 [count, height, width, channels], not ${dtype} [${shape.join(", ")}].`,
    );
  }
  const size = height! * width! * channels!;
  return Array.from({ length: count! }, (_, i) => ({
    data: data.subarray(i * size, (i + 1) * size),
    width: width!,
    height: height!,
    channels: channels!,
  }));
}

/** What a source is called in lists: its path or address, or what it is. */
export function nameOfSource(source: ImageSource, index: number): string {
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return isPixelData(source) ? `pixels ${index}` : `buffer ${index}`;
}

/** The file or address that a picture comes from. */
export function pathOfSource(source: ImageSource): string | undefined {
  return typeof source === "string" ? source : undefined;
}
