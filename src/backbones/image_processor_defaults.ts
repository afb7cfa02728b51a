/**
 * What Hugging Face's image processors do where their configuration is silent, by `image_processor_type` (the documentation
 * of each class in `transformers`).
 */
import { IMAGENET_NORMALIZATION } from "./image_backbone.js";
import { CLIP_NORMALIZATION, HALF_NORMALIZATION } from "./registry/image_inputs.js";

/** A kind of image processor: the defaults of its configuration, and how it differs from the others. */
export interface ImageProcessorKind {
  /** The shape that a `size` of one number stands for. */
  readonly numberMeans: "square" | "shortestEdge";
  /** In pixels, as `numberMeans` says. Left out: a configuration must give it. */
  readonly size?: number;
  /** The side of the square that is cut out by default. Left out: nothing is cut unless the configuration says so. */
  readonly cropSize?: number;
  /** PIL's code. */
  readonly resample: number;
  /** Left out: pictures are not normalised unless the configuration says so. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Default of `crop_pct`, for the kinds that have one. */
  readonly cropPct?: number;
  /** Whether red and blue change places by default. */
  readonly flipsChannels?: boolean;
  /** Whether it divides by `image_std` a second time by default (`include_top`). */
  readonly includesTop?: boolean;
  /** What the shortest edge is multiplied by before it is used. */
  readonly edgeFactor?: number;
}

const NEAREST = 0;
const BILINEAR = 2;
const BICUBIC = 3;

const vit: ImageProcessorKind = {
  numberMeans: "square",
  size: 224,
  resample: BILINEAR,
  normalization: HALF_NORMALIZATION,
};
const bit: ImageProcessorKind = {
  numberMeans: "shortestEdge",
  size: 224,
  cropSize: 224,
  resample: BICUBIC,
  normalization: CLIP_NORMALIZATION,
};
const mobileNet: ImageProcessorKind = {
  numberMeans: "shortestEdge",
  size: 256,
  cropSize: 224,
  resample: BILINEAR,
  normalization: HALF_NORMALIZATION,
};

const KINDS: Readonly<Record<string, ImageProcessorKind>> = {
  ViT: vit,
  Beit: { ...vit, size: 256, cropSize: 224, resample: BICUBIC },
  DeiT: { ...vit, size: 256, cropSize: 224, resample: BICUBIC },
  Siglip: { ...vit, resample: BICUBIC },
  Pvt: { ...vit, normalization: IMAGENET_NORMALIZATION },
  DINOv3ViT: { ...vit, normalization: IMAGENET_NORMALIZATION },
  EfficientNet: { ...vit, size: 346, resample: NEAREST, includesTop: true },
  Bit: bit,
  CLIP: bit,
  ChineseCLIP: bit,
  MobileNetV1: mobileNet,
  MobileNetV2: mobileNet,
  MobileNetV3: mobileNet,
  MobileNetV4: mobileNet,
  MobileViT: {
    numberMeans: "shortestEdge",
    size: 224,
    cropSize: 256,
    resample: BILINEAR,
    flipsChannels: true,
  },
  Levit: { ...bit, normalization: IMAGENET_NORMALIZATION, edgeFactor: 256 / 224 },
  ConvNext: {
    numberMeans: "shortestEdge",
    size: 384,
    resample: BICUBIC,
    normalization: HALF_NORMALIZATION,
    cropPct: 224 / 256,
  },
};

/** A configuration that names no kind has to say everything itself. */
const UNNAMED: ImageProcessorKind = { numberMeans: "square", resample: BILINEAR };

/**
 * The kind that a configuration names, under its newer or its older name; undefined for one that prepares pictures in a way
 * of its own.
 */
export function imageProcessorKind(name: string | undefined): ImageProcessorKind | undefined {
  if (name === undefined) return UNNAMED;
  const family = name.replace(/(ImageProcessor(Fast|Pil)?|FeatureExtractor)$/, "");
  return family === "" || family === "Image" ? UNNAMED : KINDS[family];
}

/** The names that `imageProcessorKind` knows. */
export const imageProcessorNames: readonly string[] = Object.keys(KINDS).map(
  (family) => `${family}ImageProcessor`,
);
