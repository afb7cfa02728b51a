/** Pictures with boxes as samples: letterboxed, or changed at random for training. */
import {
  decodeImage,
  imageToTensor,
  MemoryBudget,
  type Dataset,
  type DecodeLimits,
  type Image,
  type ImageSource,
  type ImageTransform,
  type Size,
} from "../../data/index.js";
import {
  compose,
  letterbox,
  placedPixels,
  placePoint,
  randomPlacement,
  type Placement,
  type Rectangle,
} from "../../data/image/placement.js";
import { applyGeometry } from "../../data/image/geometry.js";
import { resizeAsOpenCv } from "../../data/image/opencv_letterbox.js";
import { HostTensor } from "../../host_tensor.js";
import { Generator } from "../../random.js";
import { placeInSquare, type LetterboxStyle } from "./letterbox.js";
import { boxArea, boxArray, type Box } from "./boxes.js";

/** A picture of the dataset. */
export interface DetectionRecord extends Size {
  image: ImageSource;
  /** In the picture's own pixels. */
  boxes: readonly (Box & { classId: number; crowd?: boolean })[];
}

/** A picture as the loader gets it. */
export interface DetectionSample {
  /** uint8 [size, size, 3]. */
  input: HostTensor;
  /** [xmin, ymin, xmax, ymax] of each box in pixels of `input`; crowds are left out. */
  boxes: Float64Array;
  /** The class of each box. */
  classIds: number[];
  /** The sample's number in the dataset. */
  index: number;
  /** The picture's own pixels, before it was changed. */
  originalSize: Size;
  /** Present where every picture of the dataset is a file. */
  path?: string;
}

/** Random changes of training pictures, which their boxes follow. */
export interface DetectionAugmentation {
  /** Range of the zoom, where 1 is as large as fits. Default: 0.5 to 1.5. */
  scale?: readonly [number, number];
  /** Probability of being mirrored left to right. Default: 0.5. */
  mirror?: number;
  /** Probability that four pictures share a canvas (Bochkovskiy et al., 2020). Default: 0.5. */
  mosaic?: number;
  /** Probability that a second picture is laid over at half strength (Zhang et al., 2018). Default: 0. */
  mixup?: number;
  /** Changes of colour, or none. A transform that moves pixels would leave the boxes behind. Default: none. */
  color?: ImageTransform | null;
}

export interface DetectionDatasetOptions {
  /** Side of the square that pictures are brought to, in pixels. */
  imageSize: number;
  /** Default: none, every picture is letterboxed. */
  augmentation?: DetectionAugmentation | undefined;
  /** What decoded pictures are kept in. Default: none are kept. */
  budget?: MemoryBudget;
  /** How pictures are brought into the square that are not changed at random. Default: `antialiased`. */
  letterbox?: LetterboxStyle | undefined;
  decode?: DecodeLimits;
}

interface Part {
  pixels: Image;
  placement: Placement;
  record: DetectionRecord;
  /** Pixels of the decoded picture for one of the picture itself. */
  scale: readonly [number, number];
}

interface Canvas {
  image: Image;
  boxes: Box[];
  classIds: number[];
}

/** A box goes where less of it is left in sight. */
const LEAST_VISIBLE = 0.25;
/** So often another zoom is drawn where no box would be left of a picture that has some. */
const ATTEMPTS = 10;

/** Pictures with boxes, decoded, changed, and kept in memory where they fit. */
export class DetectionDataset implements Dataset<DetectionSample> {
  readonly records: readonly DetectionRecord[];
  readonly imageSize: number;
  /** Whether mosaics are made; they are switched off for the last epochs. */
  mosaicEnabled = true;
  readonly #augmentation: Required<DetectionAugmentation> | undefined;
  readonly #budget: MemoryBudget;
  readonly #decode: DecodeLimits;
  readonly #letterbox: LetterboxStyle;
  readonly #kept: (Image | undefined)[] = [];
  readonly #withPaths: boolean;

  constructor(records: readonly DetectionRecord[], options: DetectionDatasetOptions) {
    const {
      imageSize,
      augmentation,
      budget = new MemoryBudget(0),
      decode = {},
      letterbox = "antialiased",
    } = options;
    this.records = records;
    this.imageSize = imageSize;
    this.#augmentation = augmentation && withDefaults(augmentation);
    this.#budget = budget;
    this.#decode = decode;
    this.#letterbox = letterbox;
    this.#withPaths = records.every(({ image }) => typeof image === "string");
  }

  get length(): number {
    return this.records.length;
  }

  async get(index: number, random: Generator): Promise<DetectionSample> {
    const { image, boxes, classIds } = await this.#canvas(index, random);
    const { width, height, image: source } = this.records[index]!;
    return {
      input: imageToTensor(image),
      boxes: boxArray(boxes),
      classIds,
      index,
      originalSize: { width, height },
      ...(this.#withPaths && { path: source as string }),
    };
  }

  async #canvas(index: number, random: Generator): Promise<Canvas> {
    const augmentation = this.#augmentation;
    if (augmentation === undefined) return this.#compose([await this.#letterboxed(index)]);
    const { mosaic, mixup, color } = augmentation;
    const isMosaic = random.uniform() < mosaic && this.mosaicEnabled;
    let canvas = await (isMosaic ? this.#mosaic(index, random) : this.#zoomed(index, random));
    if (random.uniform() < mixup) {
      const other = await this.#zoomed(random.integer(this.length), random);
      canvas = mixed(canvas, other);
    }
    return color === null ? canvas : { ...canvas, image: await color.apply(canvas.image, random) };
  }

  async #letterboxed(index: number): Promise<Part> {
    const record = this.records[index]!;
    const placement = placeInSquare(record, this.imageSize, this.#letterbox);
    return { pixels: await this.#fitted(index, placement.target), placement, record, scale: [1, 1] };
  }

  /** The whole picture, exactly so large. */
  async #fitted(index: number, size: Size): Promise<Image> {
    if (this.#letterbox === "opencv")
      return this.#keep(index, async () => {
        const image = await decodeImage(this.records[index]!.image, this.#decode);
        return resizeAsOpenCv(image, size);
      });
    return applyGeometry(await this.#decoded(index, size), { resize: size });
  }

  async #zoomed(index: number, random: Generator): Promise<Canvas> {
    const region = { left: 0, top: 0, ...this.#square };
    return this.#compose([await this.#placed(index, region, random)]);
  }

  /** Four pictures around a point near the middle. */
  async #mosaic(index: number, random: Generator): Promise<Canvas> {
    const size = this.imageSize;
    const [x, y] = [random, random].map((draw) => Math.round(size * draw.between(0.3, 0.7))) as [
      number,
      number,
    ];
    const regions: Rectangle[] = [
      { left: 0, top: 0, width: x, height: y },
      { left: x, top: 0, width: size - x, height: y },
      { left: 0, top: y, width: x, height: size - y },
      { left: x, top: y, width: size - x, height: size - y },
    ];
    const indices = [index, ...Array.from({ length: 3 }, () => random.integer(this.length))];
    const order = random.permutation(4);
    const draws = indices.map(() => new Generator(random.integer(2 ** 31)));
    const parts = indices.map((other, i) => this.#placed(other, regions[order[i]!]!, draws[i]!));
    return this.#compose(await Promise.all(parts));
  }

  async #placed(index: number, region: Rectangle, random: Generator): Promise<Part> {
    const record = this.records[index]!;
    const { scale, mirror } = this.#augmentation!;
    const pixels = await this.#decoded(index, fitted(record, this.imageSize * scale[1]));
    const ratio = [pixels.width / record.width, pixels.height / record.height] as const;
    for (let attempt = 1; ; attempt++) {
      const placement = randomPlacement(pixels, region, { scale, mirror }, random);
      const part = { pixels, placement, record, scale: ratio };
      const isEmpty = record.boxes.length > 0 && visibleBoxes(part).length === 0;
      if (isEmpty && attempt < ATTEMPTS) continue;
      return { ...part, pixels: await placedPixels(pixels, placement) };
    }
  }

  #compose(parts: readonly Part[]): Canvas {
    const image = compose(
      this.#square,
      parts.map(({ pixels, placement }) => ({ pixels, at: placement.target })),
    );
    const visible = parts.flatMap(visibleBoxes);
    return { image, boxes: visible, classIds: visible.map(({ classId }) => classId) };
  }

  /** The picture no larger than this; kept so where there is room. */
  async #decoded(index: number, size: Size): Promise<Image> {
    return this.#keep(index, () => {
      const record = this.records[index]!;
      const resize = size.width < record.width ? { width: size.width, height: size.height } : undefined;
      return decodeImage(record.image, { ...this.#decode, resize });
    });
  }

  async #keep(index: number, make: () => Promise<Image>): Promise<Image> {
    const kept = this.#kept[index];
    if (kept !== undefined) return kept;
    const image = await make();
    if (this.#kept[index] === undefined && this.#budget.take(image.data.length)) this.#kept[index] = image;
    return image;
  }

  get #square(): Size {
    return { width: this.imageSize, height: this.imageSize };
  }
}

/** @returns batches of pictures, with boxes as rows that are filled up with class -1 to one of few lengths */
export function collateDetections(samples: readonly DetectionSample[]): DetectionBatch {
  const most = Math.max(...samples.map(({ classIds }) => classIds.length));
  const rows = Math.max(8, 2 ** Math.ceil(Math.log2(Math.max(1, most))));
  const boxes = new Float32Array(samples.length * rows * 4);
  const classIds = new Int32Array(samples.length * rows).fill(-1);
  const [height, width] = samples[0]!.input.shape as [number, number];
  const input = new Uint8Array(samples.length * height * width * 3);
  samples.forEach((sample, i) => {
    input.set(sample.input.data, i * height * width * 3);
    boxes.set(sample.boxes, i * rows * 4);
    classIds.set(sample.classIds, i * rows);
  });
  const count = samples.length;
  const sizes = samples.flatMap(({ originalSize }) => [originalSize.width, originalSize.height]);
  const paths = samples.flatMap(({ path }) => path ?? []);
  return {
    input: new HostTensor(input, [count, height, width, 3]),
    boxes: new HostTensor(boxes, [count, rows, 4]),
    classIds: new HostTensor(classIds, [count, rows]),
    index: new HostTensor(
      Int32Array.from(samples, ({ index }) => index),
      [count],
    ),
    originalSize: new HostTensor(Int32Array.from(sizes), [count, 2]),
    ...(paths.length === count && { path: paths }),
  };
}

/** A batch as the loaders give it. */
export interface DetectionBatch {
  /** uint8 [batch, size, size, 3]. */
  input: HostTensor;
  /** float32 [batch, rows, 4]: [xmin, ymin, xmax, ymax] in pixels of `input`. */
  boxes: HostTensor;
  /** int32 [batch, rows]: the class of each box, -1 where there is none. */
  classIds: HostTensor;
  /** int32 [batch]: the pictures' numbers in their part. */
  index: HostTensor;
  /** int32 [batch, 2]: width and height of the pictures themselves. */
  originalSize: HostTensor;
  /** Where every picture of the part is a file. */
  path?: string[];
}

function withDefaults(given: DetectionAugmentation): Required<DetectionAugmentation> {
  const { scale = [0.5, 1.5], mirror = 0.5, mosaic = 0.5, mixup = 0, color = null } = given;
  return { scale, mirror, mosaic, mixup, color };
}

/** As large as fits into a square, keeping its shape. */
function fitted({ width, height }: Size, side: number): Size {
  return letterbox({ width, height }, { width: Math.round(side), height: Math.round(side) }).target;
}

/** A part's boxes where they come to lie, cut off at its edges. */
function visibleBoxes({ placement, record, scale: [across, down] }: Part): (Box & { classId: number })[] {
  const { left, top, width, height } = placement.target;
  return record.boxes.flatMap(({ xmin, ymin, xmax, ymax, classId, crowd }) => {
    if (crowd === true) return [];
    const [a, b] = placePoint([xmin * across, ymin * down], placement);
    const [c, d] = placePoint([xmax * across, ymax * down], placement);
    const whole = { xmin: Math.min(a, c), ymin: b, xmax: Math.max(a, c), ymax: d };
    const seen = {
      xmin: Math.max(left, whole.xmin),
      ymin: Math.max(top, whole.ymin),
      xmax: Math.min(left + width, whole.xmax),
      ymax: Math.min(top + height, whole.ymax),
    };
    const share = boxArea(boxArray([seen]), 0) / boxArea(boxArray([whole]), 0);
    return share >= LEAST_VISIBLE ? [{ ...seen, classId }] : [];
  });
}

/** Both at half strength, with the boxes of both. */
function mixed(a: Canvas, b: Canvas): Canvas {
  const data = a.image.data.map((byte, i) => (byte + b.image.data[i]!) >> 1);
  return {
    image: { ...a.image, data },
    boxes: [...a.boxes, ...b.boxes],
    classIds: [...a.classIds, ...b.classIds],
  };
}
