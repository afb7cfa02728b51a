/** Configurations of image processors: read as their classes' documentation says, and compared with transformers.js. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as transformers from "@huggingface/transformers";
import { describe, expect, it } from "vitest";
import {
  formatImageInput,
  parseImageInput,
  parseTimmInput,
  type ImageInput,
} from "../../src/backbones/index.js";
import { decodeImage } from "../../src/data/index.js";
import { normalizePixels } from "../../src/tasks/image/batch_transforms.js";
import "../support/backend.js";
import { describeShared } from "../support/shared.js";

const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const HALF = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };

/** As published beside models of each kind. */
const CONFIGS: Record<string, Record<string, unknown>> = {
  ViTImageProcessor: {
    ...HALF,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    resample: 2,
    size: { height: 224, width: 224 },
  },
  ConvNextFeatureExtractor: {
    ...IMAGENET,
    crop_pct: 0.875,
    do_normalize: true,
    do_resize: true,
    resample: 3,
    size: { shortest_edge: 224 },
  },
  ConvNextImageProcessor: {
    ...IMAGENET,
    crop_pct: 1,
    do_normalize: true,
    do_resize: true,
    resample: 3,
    size: { shortest_edge: 384 },
  },
  BitImageProcessor: {
    ...IMAGENET,
    crop_size: { height: 224, width: 224 },
    do_center_crop: true,
    do_convert_rgb: true,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    resample: 3,
    rescale_factor: 0.00392156862745098,
    size: { shortest_edge: 256 },
  },
  CLIPFeatureExtractor: {
    crop_size: 224,
    do_center_crop: true,
    do_normalize: true,
    do_resize: true,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    resample: 3,
    size: { shortest_edge: 224 },
  },
  SiglipImageProcessor: {
    ...HALF,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    resample: 3,
    size: { height: 224, width: 224 },
  },
  MobileNetV2ImageProcessor: {
    ...HALF,
    crop_size: { height: 224, width: 224 },
    do_center_crop: true,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    resample: 2,
    size: { shortest_edge: 256 },
  },
  MobileViTFeatureExtractor: {
    crop_size: { height: 256, width: 256 },
    do_center_crop: true,
    do_flip_channel_order: true,
    do_resize: true,
    resample: 2,
    size: { shortest_edge: 288 },
  },
  EfficientNetImageProcessor: {
    ...IMAGENET,
    do_center_crop: false,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    include_top: true,
    resample: 2,
    size: { height: 224, width: 224 },
  },
};

type ProcessorClass = new (
  config: object,
) => (image: transformers.RawImage) => Promise<{ pixel_values: transformers.Tensor }>;

/** Three ramps: every filter leaves a ramp as it is, so that only place, size and value of what comes out can differ. */
function ramps(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const across = x / (width - 1);
      const down = y / (height - 1);
      data.set(
        [30 + 190 * across, 220 - 180 * down, 60 + 60 * across + 80 * down].map(Math.round),
        (y * width + x) * 3,
      );
    }
  }
  return { data, width, height, channels: 3 as const };
}

async function prepare(picture: ReturnType<typeof ramps>, input: ImageInput): Promise<tf.Tensor3D> {
  const { data, width, height } = await decodeImage(picture, input);
  const pixels = tf.cast(tf.tensor3d(data, [height, width, 3], "int32"), "float32");
  return normalizePixels(pixels, input) as tf.Tensor3D;
}

describe("every kind of processor prepares a picture as transformers.js does", () => {
  const cases = Object.keys(CONFIGS).flatMap((type) => [
    [type, 301, 222] as const,
    [type, 190, 260] as const,
  ]);
  it.each(cases)("%s, %i x %i", async (type, width, height) => {
    const config = { ...CONFIGS[type], image_processor_type: type };
    const picture = ramps(width, height);
    const Processor = (transformers as unknown as Record<string, ProcessorClass>)[type]!;
    const processor = new Processor(config);
    const { pixel_values } = await processor(new transformers.RawImage(picture.data, width, height, 3));
    const [, , rows, columns] = pixel_values.dims as [number, number, number, number];
    const reference = pixel_values.data as Float32Array;

    const input = parseImageInput(config, "preprocessor_config.json");
    const ours = await prepare(picture, input);
    expect(ours.shape).toEqual([rows, columns, 3]);
    const values = ours.dataSync();
    // In steps of a byte: both round once after resizing (1), and where an odd number of pixels is cut away the middle lies a
    // pixel apart, which is almost a step of these ramps.
    const step = Math.max(...input.std.map((deviation) => input.rescaleFactor / deviation));
    const margin = 6;
    let worst = 0;
    for (let y = margin; y < rows - margin; y++) {
      for (let x = margin; x < columns - margin; x++) {
        for (let c = 0; c < 3; c++) {
          const difference = values[(y * columns + x) * 3 + c]! - reference[(c * rows + y) * columns + x]!;
          worst = Math.max(worst, Math.abs(difference) / step);
        }
      }
    }
    expect(worst).toBeLessThan(2);
  });
});

interface Case {
  config: { image_processor_type: string };
  photo: string;
  values: number[];
}

describeShared("data/caltech12", (root) => {
  const golden = JSON.parse(
    readFileSync(new URL("../golden/image_processors.json", import.meta.url), "utf8"),
  ) as {
    step: number;
    cases: Case[];
  };

  it.each(golden.cases)(
    "$config.image_processor_type prepares $photo as PIL does",
    async ({ config, photo, values }) => {
      const input = parseImageInput(config, "preprocessor_config.json");
      const image = await decodeImage(join(root, photo), input);
      const { data, width, height } = image;
      const pixels = tf.cast(tf.tensor3d(data, [height, width, 3], "int32"), "float32");
      const ours = normalizePixels(pixels, input).dataSync();
      let [sum, worst, i] = [0, 0, 0];
      for (let y = 0; y < height; y += golden.step) {
        for (let x = 0; x < width; x += golden.step) {
          for (let c = 0; c < 3; c++, i++) {
            const step = input.rescaleFactor / input.std[c]!;
            const difference = Math.abs(ours[(y * width + x) * 3 + c]! - values[i]!) / step;
            sum += difference;
            worst = Math.max(worst, difference);
          }
        }
      }
      expect(i).toBe(values.length);
      // In steps of a byte. What is enlarged is PIL's to one or two; what is shrunk is sharp's, whose filters move in steps of a
      // fraction of a pixel, which tells at sharp edges only.
      expect(sum / i).toBeLessThan(0.5);
      expect(worst).toBeLessThan(7);
    },
  );
});

describe("parseImageInput", () => {
  const parse = (config: unknown): ImageInput => parseImageInput(config, "p.json");

  it("reads the forms that Hugging Face writes", () => {
    expect(parse({ size: 224, resample: 3, do_normalize: false })).toEqual({
      resize: { height: 224, width: 224 },
      interpolation: "bicubic",
      rescaleFactor: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
    const cropped = { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224, do_rescale: false };
    expect(parse(cropped)).toMatchObject({
      resize: { shortestEdge: 256 },
      centerCrop: { height: 224, width: 224 },
      rescaleFactor: 1,
    });
    expect(parse({ size: [192, 256] })).toMatchObject({ resize: { height: 192, width: 256 } });
  });

  // The defaults of the classes in the documentation of transformers.
  it.each([
    [
      "ViTImageProcessor",
      { resize: { height: 224, width: 224 }, interpolation: "bilinear", mean: [0.5, 0.5, 0.5] },
    ],
    ["ViTImageProcessorFast", { resize: { height: 224, width: 224 }, interpolation: "bilinear" }],
    [
      "CLIPImageProcessor",
      { resize: { shortestEdge: 224 }, centerCrop: { height: 224, width: 224 }, interpolation: "bicubic" },
    ],
    ["BitImageProcessor", { resize: { shortestEdge: 224 }, mean: [0.48145466, 0.4578275, 0.40821073] }],
    ["ConvNextImageProcessor", { resize: { height: 384, width: 384 }, interpolation: "bicubic" }],
    ["DeiTImageProcessor", { resize: { height: 256, width: 256 }, centerCrop: { height: 224, width: 224 } }],
    ["MobileNetV1ImageProcessor", { resize: { shortestEdge: 256 }, centerCrop: { height: 224, width: 224 } }],
    [
      "MobileViTImageProcessor",
      { channelOrder: "bgr", mean: [0, 0, 0], centerCrop: { height: 256, width: 256 } },
    ],
    ["LevitImageProcessor", { resize: { shortestEdge: 256 }, mean: [0.485, 0.456, 0.406] }],
  ])("knows the defaults of %s", (image_processor_type, expected) => {
    expect(parse({ image_processor_type })).toMatchObject(expected);
  });

  it("takes one number as a square or as the shortest edge, as the class does", () => {
    expect(parse({ image_processor_type: "ViTFeatureExtractor", size: 200 })).toMatchObject({
      resize: { height: 200, width: 200 },
    });
    expect(parse({ feature_extractor_type: "ConvNextFeatureExtractor", size: 224 })).toMatchObject({
      resize: { shortestEdge: 256 },
      centerCrop: { height: 224, width: 224 },
    });
  });

  it("leaves pictures their size and shape where it is told to", () => {
    expect(parse({ do_resize: false, size: 224 })).not.toHaveProperty("resize");
    const cropped = parse({ image_processor_type: "CLIPImageProcessor", do_resize: false });
    expect(cropped).toMatchObject({ centerCrop: { height: 224, width: 224 } });
    expect(cropped).not.toHaveProperty("resize");
    expect(parse({ size: { shortest_edge: 256 } })).toMatchObject({ resize: { shortestEdge: 256 } });
  });

  it("makes one normalisation of an offset and a second division", () => {
    // EfficientNet's processor: (x / 127.5 - 1 - mean) / std, and with include_top divided by std once more.
    const { rescaleFactor, mean, std } = parse({
      image_processor_type: "EfficientNetImageProcessor",
      rescale_factor: 1 / 127.5,
      rescale_offset: true,
      image_mean: [0.1, 0.2, 0.3],
      image_std: [0.5, 0.4, 0.2],
    });
    const x = 200;
    expect((x * rescaleFactor - mean[1]) / std[1]).toBeCloseTo((x / 127.5 - 1 - 0.2) / 0.4 / 0.4, 12);
  });

  it.each([
    [{ size: 224, resample: 9 }, /resample/],
    [{ size: 224, do_center_crop: true }, /crop_size/],
    [{ size: { shortest_edge: "256" } }, /size/],
    [{ size: { longest_edge: 256 } }, /size/],
    [{ size: 224, image_mean: [0.5], image_std: [0.5] }, /image_mean/],
    [{ size: 224, do_normalize: true }, /image_mean/],
    [{ size: 224, do_pad: true }, /do_pad/],
    [{ size: 224, crop_pct: 0.9 }, /crop_pct/],
    [{ image_processor_type: "DetrImageProcessor" }, /DetrImageProcessor.*ViTImageProcessor/],
    [{}, /size/],
    [[], /object/],
  ])("refuses %j", (config, message) => {
    expect(() => parse(config)).toThrow(message);
  });
});

describe("formatImageInput", () => {
  it.each([
    { ...HALF, size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224, resample: 3 },
    { ...HALF, size: [64, 96], resample: 0, do_flip_channel_order: true },
    { ...HALF, do_resize: false, do_center_crop: true, crop_size: 32 },
  ])("writes what is read again as the same: %j", (config) => {
    const input = parseImageInput(config, "p.json");
    expect(parseImageInput(JSON.parse(JSON.stringify(formatImageInput(input, true))), "p.json")).toEqual(
      input,
    );
  });
});

describe("parseTimmInput", () => {
  const config = {
    architecture: "resnet50",
    pretrained_cfg: {
      input_size: [3, 224, 224],
      interpolation: "bicubic",
      crop_pct: 0.95,
      crop_mode: "center",
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
  };

  it("resizes to the size over the share that is kept, rounded down", () => {
    expect(parseTimmInput(config, "config.json")).toEqual({
      resize: { shortestEdge: 235 },
      centerCrop: { height: 224, width: 224 },
      interpolation: "bicubic",
      rescaleFactor: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
  });

  it("squashes where it is told to, and refuses what it does not know", () => {
    const other = (part: object) => ({ ...config, pretrained_cfg: { ...config.pretrained_cfg, ...part } });
    expect(parseTimmInput(other({ crop_mode: "squash", crop_pct: 1 }), "c")).toMatchObject({
      resize: { height: 224, width: 224 },
    });
    expect(() => parseTimmInput(other({ crop_mode: "border" }), "c")).toThrow(/crop_mode/);
    expect(() => parseTimmInput(other({ interpolation: "box" }), "c")).toThrow(/interpolation/);
    expect(() => parseTimmInput(other({ mean: undefined }), "c")).toThrow(/image_mean/);
    expect(parseTimmInput({ model_type: "bert" }, "c")).toBeUndefined();
  });
});
