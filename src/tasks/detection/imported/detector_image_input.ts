/** How pictures are prepared for detectors of the Hugging Face layout: `preprocessor_config.json` of DETR's kin. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DetectionInput } from "../../../backbones/registry/index.js";
import type { Interpolation, Size } from "../../../data/index.js";
import { ConfigurationError } from "../../../errors.js";

/** A size, how it is come by, and the range of numbers. */
export interface DetectorImageInput extends DetectionInput {
  readonly interpolation: Interpolation;
}

interface SizeOption {
  shortest_edge?: number;
  longest_edge?: number;
  height?: number;
  width?: number;
}

interface PreprocessorConfig {
  size?: number | SizeOption;
  max_size?: number;
  resample?: number;
  do_rescale?: boolean;
  rescale_factor?: number;
  do_normalize?: boolean;
  image_mean?: readonly [number, number, number];
  image_std?: readonly [number, number, number];
}

const FILE = "preprocessor_config.json";
/** PIL's codes, which the format uses. */
const INTERPOLATIONS: readonly Interpolation[] = ["nearest", "lanczos", "bilinear", "bicubic"];
/** DETR's own, where a configuration says nothing. */
const DETR_EDGES = { shortestEdge: 800, longestEdge: 1333 };
const BILINEAR = 2;

/** @throws ConfigurationError `ERR_DETECTOR_MODEL` without the file, `ERR_PREPROCESSOR_CONFIG` for one without meaning */
export function readDetectorInput(folder: string): DetectorImageInput {
  const path = join(folder, FILE);
  if (!existsSync(path)) {
    throw new ConfigurationError(
      "ERR_DETECTOR_MODEL",
      `The detector in ${folder} has no ${FILE}, which says how pictures are prepared. Put the one of its publisher beside it.`,
    );
  }
  let config: PreprocessorConfig;
  try {
    config = JSON.parse(readFileSync(path, "utf8")) as PreprocessorConfig;
  } catch (cause) {
    throw new ConfigurationError("ERR_PREPROCESSOR_CONFIG", `${path} is not valid JSON.`, { cause });
  }
  const refuse = (problem: string): never => {
    throw new ConfigurationError("ERR_PREPROCESSOR_CONFIG", `${path}: ${problem}`);
  };
  const { resample = BILINEAR, do_rescale = true, rescale_factor = 1 / 255 } = config;
  const { do_normalize = true, image_mean, image_std } = config;
  const interpolation = INTERPOLATIONS[resample];
  if (interpolation === undefined) return refuse(`\`resample: ${resample}\` is none of 0, 1, 2, 3.`);
  if (do_normalize && (image_mean?.length !== 3 || image_std?.length !== 3))
    return refuse("`do_normalize` needs three numbers as `image_mean` and as `image_std`.");
  return {
    resize: resizeOf(config, refuse),
    interpolation,
    rescaleFactor: do_rescale ? rescale_factor : 1,
    mean: do_normalize ? image_mean! : [0, 0, 0],
    std: do_normalize ? image_std! : [1, 1, 1],
  };
}

function resizeOf(
  { size, max_size }: PreprocessorConfig,
  refuse: (problem: string) => never,
): DetectionInput["resize"] {
  if (size === undefined) return DETR_EDGES;
  const given: SizeOption = typeof size === "number" ? { shortest_edge: size } : size;
  const { height, width, shortest_edge } = given;
  if (height !== undefined && width !== undefined) return { height, width };
  const longestEdge = given.longest_edge ?? max_size ?? DETR_EDGES.longestEdge;
  if (shortest_edge !== undefined) return { shortestEdge: shortest_edge, longestEdge };
  return refuse("`size` must hold `height` and `width`, or `shortest_edge`.");
}

/** The size that a picture is brought to: fixed, or its own shape between the shortest and the longest edge. */
export function resizedSize({ width, height }: Size, resize: DetectionInput["resize"]): Size {
  if ("height" in resize) return { width: resize.width, height: resize.height };
  const { shortestEdge, longestEdge } = resize;
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  const isTooLong = (longer / shorter) * shortestEdge > longestEdge;
  const exact = isTooLong ? (longestEdge * shorter) / longer : shortestEdge;
  const edge = Math.max(1, Math.round(exact));
  const other = Math.max(1, Math.floor((exact * longer) / shorter));
  return width < height ? { width: edge, height: other } : { width: other, height: edge };
}
