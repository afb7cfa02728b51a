/** Pictures as they are given: sources, arrays in memory, and what each is called. */
import { nameOfFile } from "../../data/file_source.js";
import type { ImageSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import type { SampleFiles } from "../class_folders.js";
import { IMAGE_EXTENSIONS } from "./image_inputs.js";

/** What messages call the samples. */
export const PICTURES = { one: "picture", many: "pictures" };

/** What files of class folders are pictures. */
export const PICTURE_FILES: SampleFiles = {
  noun: PICTURES,
  extensions: IMAGE_EXTENSIONS,
  codes: {
    none: "ERR_NO_IMAGES",
    outside: "ERR_IMAGE_OUTSIDE_CLASS",
    extension: "ERR_IMAGE_EXTENSION",
  },
};

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
  return nameOfFile(source, index) ?? `pixels ${index}`;
}

/** The file or address that a picture comes from. */
export function pathOfSource(source: ImageSource): string | undefined {
  return typeof source === "string" ? source : undefined;
}
