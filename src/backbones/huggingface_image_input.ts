/** Reads a Hugging Face `preprocessor_config.json` of an image model. */
import { ConfigurationError } from "../errors.js";
import type { ImageInput } from "./image_backbone.js";

/** PIL's codes, which the format uses. */
const INTERPOLATIONS: Readonly<Record<number, ImageInput["interpolation"]>> = {
  0: "nearest",
  1: "lanczos",
  2: "bilinear",
  3: "bicubic",
};

interface Size {
  shortest_edge?: number;
  height?: number;
  width?: number;
}

interface PreprocessorConfig {
  do_resize?: boolean;
  size?: Size | number;
  crop_pct?: number;
  resample?: number;
  do_center_crop?: boolean;
  crop_size?: Size | number;
  do_rescale?: boolean;
  rescale_factor?: number;
  do_normalize?: boolean;
  image_mean?: [number, number, number];
  image_std?: [number, number, number];
}

/**
 * @param config the parsed file
 * @param path its name, for errors
 * @throws ConfigurationError `ERR_PREPROCESSOR_CONFIG` where a part is missing or has no meaning here
 */
export function parseImageInput(config: unknown, path: string): ImageInput {
  const refuse = (problem: string): never => {
    throw new ConfigurationError("ERR_PREPROCESSOR_CONFIG", `${path}: ${problem}`);
  };
  if (typeof config !== "object" || config === null) return refuse("expected a JSON object.");
  const options = config as PreprocessorConfig;
  if (options.do_resize === false)
    refuse("`do_resize: false` is not supported: pictures of one batch need one size.");
  if (options.crop_pct !== undefined)
    refuse("`crop_pct` is not supported; give `size` and `crop_size` instead.");
  const interpolation = INTERPOLATIONS[options.resample ?? 2];
  if (interpolation === undefined) refuse(`\`resample: ${options.resample}\` is none of 0, 1, 2, 3.`);
  const centerCrop = options.do_center_crop === true ? fixedSize(options.crop_size) : undefined;
  if (options.do_center_crop === true && centerCrop === undefined)
    refuse("`do_center_crop` needs a `crop_size`.");
  const resize = resizeOf(options.size);
  if (resize === undefined) return refuse("`size` must hold `shortest_edge`, or `height` and `width`.");
  if ("shortestEdge" in resize && centerCrop === undefined) {
    refuse("`size.shortest_edge` without a centre crop leaves pictures of different sizes.");
  }
  const normalize = options.do_normalize !== false;
  return {
    resize,
    ...(centerCrop && { centerCrop }),
    interpolation: interpolation!,
    rescaleFactor: options.do_rescale === false ? 1 : (options.rescale_factor ?? 1 / 255),
    mean: (normalize ? options.image_mean : undefined) ?? [0, 0, 0],
    std: (normalize ? options.image_std : undefined) ?? [1, 1, 1],
  };
}

function resizeOf(size: Size | number | undefined): ImageInput["resize"] | undefined {
  if (typeof size === "object" && size.shortest_edge !== undefined)
    return { shortestEdge: size.shortest_edge };
  return fixedSize(size);
}

function fixedSize(size: Size | number | undefined): { height: number; width: number } | undefined {
  if (typeof size === "number") return { height: size, width: size };
  if (size?.height === undefined || size.width === undefined) return undefined;
  return { height: size.height, width: size.width };
}
