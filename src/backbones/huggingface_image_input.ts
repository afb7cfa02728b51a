/**
 * Reads how pictures are prepared from the configurations on the hub: `preprocessor_config.json`, which is also written, and
 * timm's `config.json`.
 */
import { ConfigurationError } from "../errors.js";
import type { ImageInput } from "./image_backbone.js";
import {
  imageProcessorKind,
  imageProcessorNames,
  type ImageProcessorKind,
} from "./image_processor_defaults.js";

/** PIL's codes, which the format uses. */
const INTERPOLATIONS: Readonly<Record<number, NonNullable<ImageInput["interpolation"]>>> = {
  0: "nearest",
  1: "lanczos",
  2: "bilinear",
  3: "bicubic",
};
/** ConvNext's processor cuts nothing from pictures of this size on. */
const CONVNEXT_UNCUT_SIZE = 384;

type Length = { height: number; width: number } | { shortestEdge: number };
type SizeOption = number | readonly number[] | { shortest_edge?: number; height?: number; width?: number };

/** The parts of the file that are known here. */
export interface PreprocessorConfig {
  image_processor_type?: string;
  feature_extractor_type?: string;
  do_resize?: boolean;
  size?: SizeOption | null;
  crop_pct?: number | null;
  resample?: number | null;
  do_center_crop?: boolean | null;
  crop_size?: SizeOption | null;
  do_rescale?: boolean;
  rescale_factor?: number;
  rescale_offset?: boolean;
  do_normalize?: boolean | null;
  image_mean?: number | readonly number[] | null;
  image_std?: number | readonly number[] | null;
  include_top?: boolean;
  do_flip_channel_order?: boolean;
}

/** Steps of other tasks' processors. */
const UNSUPPORTED_STEPS = [
  "do_pad",
  "do_thumbnail",
  "do_crop_margin",
  "do_convert_grayscale",
  "do_align_long_axis",
];

type Refuse = (problem: string) => never;

/**
 * What a `preprocessor_config.json` of Hugging Face's image processors asks for, where it says nothing with the defaults of
 * the class that it names. The middle is cut where the newer, torchvision-based processors cut it; the older ones lie a pixel
 * beside it when an odd number of pixels goes.
 *
 * @param config the parsed file
 * @param path its name, for errors
 * @throws ConfigurationError `ERR_PREPROCESSOR_CONFIG` where a part is missing or has no meaning here
 */
export function parseImageInput(config: unknown, path: string): ImageInput {
  const refuse = refusal(path);
  if (!isObject(config)) return refuse("expected a JSON object.");
  const options: PreprocessorConfig = config;
  const name = options.image_processor_type ?? options.feature_extractor_type;
  const kind = imageProcessorKind(name);
  if (kind === undefined) {
    return refuse(
      `${name} prepares pictures in a way of its own. Those that an image backbone can use: ${imageProcessorNames.join(", ")}.`,
    );
  }
  for (const step of UNSUPPORTED_STEPS)
    if (config[step] === true) refuse(`\`${step}\` is not supported: image backbones do not need it.`);
  const interpolation = INTERPOLATIONS[options.resample ?? kind.resample];
  if (interpolation === undefined) return refuse(`\`resample: ${options.resample}\` is none of 0, 1, 2, 3.`);
  const flips = options.do_flip_channel_order ?? kind.flipsChannels ?? false;
  return {
    ...geometry(options, kind, refuse),
    interpolation,
    ...normalization(options, kind, refuse),
    ...(flips && { channelOrder: "bgr" as const }),
  };
}

function geometry(
  options: PreprocessorConfig,
  kind: ImageProcessorKind,
  refuse: Refuse,
): Pick<ImageInput, "resize" | "centerCrop"> {
  const resize =
    options.do_resize === false ? undefined : parseSize(options.size ?? kind.size, "size", kind, refuse);
  if (kind.cropPct !== undefined && resize !== undefined)
    return convNextGeometry(resize, options, kind.cropPct, refuse);
  if (kind.cropPct === undefined && options.crop_pct != null && kind.size === undefined)
    refuse("`crop_pct` has a meaning for ConvNextImageProcessor alone; give `size` and `crop_size` instead.");
  const centerCrop = centerCropOf(options, kind, refuse);
  return {
    ...(resize && { resize: scaledEdge(resize, kind.edgeFactor) }),
    ...(centerCrop && { centerCrop }),
  };
}

/** Small pictures lose their border, large ones their shape. */
function convNextGeometry(
  resize: Length,
  { crop_pct }: PreprocessorConfig,
  defaultCropPct: number,
  refuse: Refuse,
): Pick<ImageInput, "resize" | "centerCrop"> {
  if (!("shortestEdge" in resize)) return refuse("ConvNextImageProcessor needs `size.shortest_edge`.");
  const square = { height: resize.shortestEdge, width: resize.shortestEdge };
  if (resize.shortestEdge >= CONVNEXT_UNCUT_SIZE) return { resize: square };
  return {
    resize: { shortestEdge: Math.floor(resize.shortestEdge / (crop_pct ?? defaultCropPct)) },
    centerCrop: square,
  };
}

function centerCropOf(
  { do_center_crop, crop_size }: PreprocessorConfig,
  { cropSize }: ImageProcessorKind,
  refuse: Refuse,
): ImageInput["centerCrop"] {
  if (!(do_center_crop ?? cropSize !== undefined)) return undefined;
  const size = crop_size ?? cropSize;
  if (size === undefined) return refuse("`do_center_crop` needs a `crop_size`.");
  const length = parseSize(size, "crop_size", { numberMeans: "square" }, refuse);
  return "shortestEdge" in length ? { height: length.shortestEdge, width: length.shortestEdge } : length;
}

function parseSize(
  size: SizeOption | null | undefined,
  name: string,
  { numberMeans }: Pick<ImageProcessorKind, "numberMeans">,
  refuse: Refuse,
): Length {
  if (size == null)
    return refuse(`\`${name}\` is missing; it holds \`shortest_edge\`, or \`height\` and \`width\`.`);
  const given: SizeOption =
    typeof size !== "number" && isPair(size) ? { height: size[0], width: size[1] } : size;
  const object =
    typeof given !== "number"
      ? (given as Exclude<SizeOption, number | readonly number[]>)
      : numberMeans === "square"
        ? { height: given, width: given }
        : { shortest_edge: given };
  const { shortest_edge, height, width } = object;
  const length = shortest_edge === undefined ? { height, width } : { shortestEdge: shortest_edge };
  if (!Object.values(length).every((value) => Number.isInteger(value) && value! > 0)) {
    return refuse(
      `\`${name}: ${JSON.stringify(size)}\` must hold \`shortest_edge\`, or \`height\` and \`width\`, in whole pixels.`,
    );
  }
  return length as Length;
}

function scaledEdge(resize: Length, factor: number | undefined): Length {
  if (factor === undefined || !("shortestEdge" in resize)) return resize;
  return { shortestEdge: Math.floor(resize.shortestEdge * factor) };
}

/** All steps that change values become one multiplication, one mean and one deviation for each channel. */
function normalization(
  options: PreprocessorConfig,
  kind: ImageProcessorKind,
  refuse: Refuse,
): Pick<ImageInput, "rescaleFactor" | "mean" | "std"> {
  const mean = channels(options.image_mean ?? kind.normalization?.mean, "image_mean", refuse);
  const std = channels(options.image_std ?? kind.normalization?.std, "image_std", refuse);
  const normalizes = options.do_normalize ?? mean !== undefined;
  if (normalizes && (mean === undefined || std === undefined)) {
    return refuse("`do_normalize` needs `image_mean` and `image_std`.");
  }
  const shift = options.do_rescale !== false && options.rescale_offset === true ? 1 : 0;
  const dividesAgain = kind.includesTop === true && options.include_top !== false;
  const map = (value: (channel: 0 | 1 | 2) => number): [number, number, number] => [
    value(0),
    value(1),
    value(2),
  ];
  return {
    rescaleFactor: options.do_rescale === false ? 1 : (options.rescale_factor ?? 1 / 255),
    mean: map((channel) => (normalizes ? mean![channel] : 0) + shift),
    std: map((channel) => (normalizes ? std![channel] : 1) * (dividesAgain ? std![channel] : 1)),
  };
}

function channels(
  value: number | readonly number[] | null | undefined,
  name: string,
  refuse: Refuse,
): readonly [number, number, number] | undefined {
  if (value == null) return undefined;
  const list = typeof value === "number" ? [value, value, value] : value;
  if (!Array.isArray(list) || list.length !== 3 || !list.every((number) => Number.isFinite(number)))
    return refuse(
      `\`${name}: ${JSON.stringify(value)}\` must hold one number for each of red, green and blue.`,
    );
  return list as unknown as [number, number, number];
}

/** The part of timm's `config.json` that says how a model is evaluated. */
interface TimmConfig {
  input_size?: readonly number[];
  interpolation?: string;
  crop_pct?: number;
  crop_mode?: string;
  mean?: readonly number[];
  std?: readonly number[];
}

/**
 * What timm's `config.json` asks for, which its repositories have in place of a `preprocessor_config.json`.
 *
 * @param config the parsed file
 * @param path its name, for errors
 * @returns undefined for the configuration of another library
 * @throws ConfigurationError `ERR_PREPROCESSOR_CONFIG` where a part is missing or has no meaning here
 */
export function parseTimmInput(config: unknown, path: string): ImageInput | undefined {
  if (!isObject(config) || !isObject(config.pretrained_cfg)) return undefined;
  const refuse = refusal(path);
  const {
    input_size,
    interpolation = "bicubic",
    crop_pct = 0.875,
    crop_mode = "center",
    mean,
    std,
  }: TimmConfig = config.pretrained_cfg;
  const [, height, width] = input_size ?? [];
  if (input_size?.length !== 3 || height === undefined || width === undefined)
    return refuse("`pretrained_cfg.input_size` must hold channels, height and width.");
  if (!Object.values(INTERPOLATIONS).includes(interpolation as never))
    return refuse(
      `\`interpolation: ${interpolation}\` is none of ${Object.values(INTERPOLATIONS).join(", ")}.`,
    );
  const scaled = { height: Math.floor(height / crop_pct), width: Math.floor(width / crop_pct) };
  const keepsShape = crop_mode === "center" && height === width;
  if (!keepsShape && crop_mode !== "squash")
    return refuse(
      `\`crop_mode: ${crop_mode}\` at ${height} x ${width} is not supported; expected center for a square, or squash.`,
    );
  return {
    resize: keepsShape ? { shortestEdge: scaled.height } : scaled,
    centerCrop: { height, width },
    interpolation: interpolation as NonNullable<ImageInput["interpolation"]>,
    ...normalization(
      { image_mean: mean ?? null, image_std: std ?? null, do_normalize: true },
      { numberMeans: "square", resample: 2 },
      refuse,
    ),
  };
}

function refusal(path: string): Refuse {
  return (problem) => {
    throw new ConfigurationError("ERR_PREPROCESSOR_CONFIG", `${path}: ${problem}`);
  };
}

/**
 * The `preprocessor_config.json` of an input.
 *
 * @param normalizes whether what reads it is to rescale and normalise; if not, the model does
 */
export function formatImageInput(input: ImageInput, normalizes: boolean): PreprocessorConfig {
  const { resize, centerCrop, interpolation, rescaleFactor, mean, std, channelOrder } = input;
  const code = Object.keys(INTERPOLATIONS).find((key) => INTERPOLATIONS[Number(key)] === interpolation);
  return {
    do_resize: resize !== undefined,
    ...(resize && {
      size: "shortestEdge" in resize ? { shortest_edge: resize.shortestEdge } : { ...resize },
    }),
    resample: Number(code),
    do_center_crop: centerCrop !== undefined,
    ...(centerCrop && { crop_size: { ...centerCrop } }),
    do_rescale: normalizes,
    do_normalize: normalizes,
    ...(normalizes && { rescale_factor: rescaleFactor, image_mean: [...mean], image_std: [...std] }),
    ...(channelOrder === "bgr" && { do_flip_channel_order: normalizes }),
  };
}

function isPair(size: Exclude<SizeOption, number>): size is readonly [number, number] {
  return Array.isArray(size) && size.length === 2;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
