/** Picture transforms: colours and geometry against torchvision, chance against its distribution. */
import { describe, expect, it } from "vitest";
import {
  CenterCrop,
  ColorJitter,
  Compose,
  imageTransformFromJSON,
  ImageTransform,
  RandAugment,
  RandomCrop,
  RandomHorizontalFlip,
  RandomResizedCrop,
  RandomVerticalFlip,
  registerImageTransform,
  Resize,
  type Image,
} from "../../src/data/index.js";
import { cropImage } from "../../src/data/image/geometry.js";
import * as color from "../../src/data/image/transforms/color_operations.js";
import { RAND_AUGMENT_OPERATIONS } from "../../src/data/image/transforms/rand_augment.js";
import { Generator } from "../../src/random.js";
import { difference, goldenColors, goldenRandAugment, picture, plain } from "./pictures.js";

const image = picture(24, 20);
const adjustments: Record<string, (image: Image, amount: number) => Image> = {
  brightness: color.adjustBrightness,
  contrast: color.adjustContrast,
  saturation: color.adjustSaturation,
  sharpness: color.adjustSharpness,
  hue: color.adjustHue,
};

describe("colours", () => {
  it.each(Object.keys(goldenColors))("%s agrees with torchvision", (name) => {
    const [operation, amount] = name.split(" ") as [string, string];
    const { max } = difference(adjustments[operation]!(image, Number(amount)), goldenColors[name]!);
    expect(max).toBeLessThanOrEqual(1);
  });

  it.each(Object.keys(goldenRandAugment))("RandAugment's %s agrees with torchvision", (name) => {
    const [key, level, sign] = name.split(" ") as [string, string, string];
    const operation = RAND_AUGMENT_OPERATIONS[key]!;
    const amount = operation.amount(Number(level) / 30, image) * Number(sign);
    expect(difference(operation.run(image, amount), goldenRandAugment[name]!).max).toBeLessThanOrEqual(1);
  });

  it("leaves a picture as it is at a factor of 1 and a shift of 0", () => {
    for (const [name, adjust] of Object.entries(adjustments)) {
      expect(difference(adjust(image, name === "hue" ? 0 : 1), image).max, name).toBeLessThanOrEqual(1);
    }
  });

  it("ColorJitter draws within its ranges, all four, in changing order", () => {
    const jitter = new ColorJitter({ brightness: [0.5, 0.5] });
    expect(jitter.apply(image, new Generator(1))).toEqual(color.adjustBrightness(image, 0.5));
    const factors = Array.from({ length: 300 }, (_, seed) => {
      const { data } = new ColorJitter({ brightness: 0.3 }).apply(
        plain(1, 1, [100, 100, 100]),
        new Generator(seed),
      );
      return data[0]! / 100;
    });
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0.69);
    expect(Math.min(...factors)).toBeLessThan(0.75);
    expect(Math.max(...factors)).toBeLessThanOrEqual(1.3);
    expect(Math.max(...factors)).toBeGreaterThan(1.25);
    const fixed = new ColorJitter({
      brightness: [1.5, 1.5],
      contrast: [0.5, 0.5],
      saturation: [0.2, 0.2],
      hue: [0.2, 0.2],
    });
    const outcomes = new Set(
      Array.from({ length: 100 }, (_, seed) =>
        Buffer.from(fixed.apply(image, new Generator(seed)).data).toString("hex"),
      ),
    );
    expect(outcomes.size).toBeGreaterThan(3);
  });

  it.each([
    { brightness: -0.1 },
    { hue: 0.6 },
    { contrast: [2, 1] as const },
    { saturation: [-1, 1] as const },
  ])("ColorJitter refuses %o", (options) => {
    expect(() => new ColorJitter(options)).toThrow(expect.objectContaining({ code: "ERR_TRANSFORM_OPTION" }));
  });
});

describe("RandAugment", () => {
  it("applies numOps operations, each about equally often", () => {
    const names = Object.keys(RAND_AUGMENT_OPERATIONS);
    expect(names).toHaveLength(14);
    const untouched = Array.from({ length: 3000 }, (_, seed) => new Generator(seed)).filter(
      (random) => new RandAugment({ numOps: 1, magnitude: 20 }).apply(image, random) === image,
    ).length;
    expect(untouched / 3000).toBeGreaterThan(1 / 14 - 0.02);
    expect(untouched / 3000).toBeLessThan(1 / 14 + 0.02);
  });

  it.each([{ numOps: 0 }, { magnitude: 31 }, { magnitude: -1 }])("refuses %o", (options) => {
    expect(() => new RandAugment(options)).toThrow(expect.objectContaining({ code: "ERR_TRANSFORM_OPTION" }));
  });
});

describe("flips", () => {
  const corners: Image = {
    data: Uint8Array.of(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6),
    width: 3,
    height: 2,
    channels: 3,
  };
  const firstChannel = ({ data }: Image) => [...data].filter((_, i) => i % 3 === 0);

  it("mirror left to right and top to bottom", () => {
    const always = { probability: 1 };
    const random = new Generator(0);
    expect(firstChannel(new RandomHorizontalFlip(always).apply(corners, random))).toEqual([3, 2, 1, 6, 5, 4]);
    expect(firstChannel(new RandomVerticalFlip(always).apply(corners, random))).toEqual([4, 5, 6, 1, 2, 3]);
    expect(firstChannel(corners)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("happen as often as asked", () => {
    const flip = new RandomHorizontalFlip({ probability: 0.3 });
    const random = new Generator(5);
    const count = Array.from({ length: 2000 }, () => flip.apply(corners, random)).filter(
      (it) => it !== corners,
    ).length;
    expect(count / 2000).toBeGreaterThan(0.26);
    expect(count / 2000).toBeLessThan(0.34);
    expect(() => new RandomVerticalFlip({ probability: 2 })).toThrow("probability");
  });
});

describe("crops", () => {
  it("RandomCrop reaches every place and no other", () => {
    const wide: Image = {
      ...picture(4, 3),
      data: Uint8Array.from({ length: 36 }, (_, i) => Math.floor(i / 3)),
    };
    const seen = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const cut = new RandomCrop({ size: 2 }).apply(wide, new Generator(seed));
      expect([cut.width, cut.height]).toEqual([2, 2]);
      const [first] = cut.data;
      expect(cut.data[9]).toBe(first! + 5);
      seen.add(first!);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6]);
  });

  it("RandomCrop pads with black, and refuses what is too small", () => {
    const white = plain(4, 4, [255, 255, 255]);
    const cuts = Array.from({ length: 100 }, (_, seed) =>
      new RandomCrop({ size: 4, padding: 2 }).apply(white, new Generator(seed)),
    );
    const sums = cuts.map(({ data }) => data.filter((value) => value === 255).length / 3);
    expect(Math.min(...sums)).toBe(4);
    expect(Math.max(...sums)).toBe(16);
    expect(() => new RandomCrop({ size: 5 }).apply(white, new Generator(0))).toThrow("only 4 x 4");
  });

  it("RandomResizedCrop draws area and shape within its ranges", () => {
    const crop = new RandomResizedCrop({ size: 8, scale: [0.2, 0.5], ratio: [0.5, 2] });
    const rectangles = Array.from({ length: 500 }, (_, seed) =>
      crop.drawRectangle({ width: 200, height: 100 }, new Generator(seed)),
    );
    const areas = rectangles.map(({ width, height }) => (width * height) / 20000);
    const shapes = rectangles.map(({ width, height }) => width / height);
    expect(Math.min(...areas)).toBeGreaterThan(0.19);
    expect(Math.max(...areas)).toBeLessThan(0.51);
    expect(Math.min(...shapes)).toBeGreaterThan(0.48);
    expect(Math.max(...shapes)).toBeLessThan(2.05);
    const wide = shapes.filter((shape) => shape > 1).length / 500;
    expect(wide).toBeGreaterThan(0.4); // on a logarithmic scale as many are wide as tall, less those that do not fit
    for (const { left, top, width, height } of rectangles) {
      expect(left >= 0 && top >= 0 && left + width <= 200 && top + height <= 100).toBe(true);
    }
  });

  it("RandomResizedCrop falls back to the largest middle part", () => {
    const crop = new RandomResizedCrop({ size: 8, scale: [1, 1], ratio: [1, 1] });
    const rectangle = crop.drawRectangle({ width: 40, height: 10 }, new Generator(0));
    expect(rectangle).toEqual({ left: 15, top: 0, width: 10, height: 10 });
  });

  it("RandomResizedCrop resizes what it cuts", async () => {
    const crop = new RandomResizedCrop({ size: { width: 12, height: 9 }, scale: [0.3, 0.6] });
    const { left, top, ...size } = crop.drawRectangle(image, new Generator(3));
    const expected = await new Resize({ size: { width: 12, height: 9 } }).apply(
      cropImage(image, left, top, size),
    );
    expect(await crop.apply(image, new Generator(3))).toEqual(expected);
  });
});

describe("as JSON", () => {
  const all = [
    new Resize({ size: 20 }),
    new Resize({ size: { width: 20, height: 16 }, interpolation: "bicubic" }),
    new CenterCrop({ size: 14 }),
    new RandomCrop({ size: { width: 12, height: 10 }, padding: 1 }),
    new RandomResizedCrop({ size: 9 }),
    new RandomHorizontalFlip({ probability: 0.4 }),
    new RandomVerticalFlip(),
    new ColorJitter({ brightness: 0.4, hue: 0.1 }),
    new RandAugment({ magnitude: 5 }),
    new Compose([new CenterCrop({ size: 16 }), new RandomHorizontalFlip()]),
  ];

  it.each(all.map((transform) => [transform.name, transform] as const))(
    "%s does the same when restored",
    async (_, transform) => {
      const restored = imageTransformFromJSON(
        JSON.parse(JSON.stringify(transform)) as ReturnType<ImageTransform["toJSON"]>,
      );
      expect(restored.constructor).toBe(transform.constructor);
      expect(restored.outputSize).toEqual(transform.outputSize);
      expect(restored.deterministic).toBe(transform.deterministic);
      for (let seed = 0; seed < 5; seed++) {
        const expected = await transform.apply(image, new Generator(seed));
        expect(await restored.apply(image, new Generator(seed))).toEqual(expected);
        if (transform.outputSize !== undefined) expect(expected).toMatchObject(transform.outputSize);
      }
    },
  );

  it("knows transforms that were registered, and names the others", () => {
    class Invert extends ImageTransform {
      readonly name = "Invert";
      readonly deterministic = true;
      readonly options = {};
      apply(source: Image): Image {
        return { ...source, data: source.data.map((value) => 255 - value) };
      }
    }
    expect(() => imageTransformFromJSON(new Invert().toJSON())).toThrow(
      expect.objectContaining({ code: "ERR_TRANSFORM_UNKNOWN" }),
    );
    registerImageTransform("Invert", () => new Invert());
    expect(imageTransformFromJSON(new Invert().toJSON())).toBeInstanceOf(Invert);
    expect(() => imageTransformFromJSON({ name: "RandomCorp", options: {} })).toThrow(
      'Did you mean "RandomCrop"?',
    );
  });
});

it("Compose is deterministic when all its parts are, and synchronous when they are", async () => {
  const sync = new Compose([new CenterCrop({ size: 10 }), new RandomHorizontalFlip({ probability: 1 })]);
  expect(sync.deterministic).toBe(false);
  expect(sync.apply(image, new Generator(0))).not.toBeInstanceOf(Promise);
  const mixed = new Compose([
    new CenterCrop({ size: 10 }),
    new Resize({ size: 6 }),
    new CenterCrop({ size: 4 }),
  ]);
  expect(mixed.deterministic).toBe(true);
  expect(mixed.outputSize).toEqual({ width: 4, height: 4 });
  expect(await mixed.apply(image, new Generator(0))).toMatchObject({ width: 4, height: 4 });
});

it("never changes the picture it is given", () => {
  const before = image.data.slice();
  const transforms = [
    new RandAugment({ numOps: 5, magnitude: 25 }),
    new ColorJitter({ brightness: 1, contrast: 1, saturation: 1, hue: 0.5 }),
  ];
  for (const transform of transforms) {
    for (let seed = 0; seed < 40; seed++) transform.apply(image, new Generator(seed));
  }
  expect(image.data).toEqual(before);
});
