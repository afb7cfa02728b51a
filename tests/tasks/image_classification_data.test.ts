/** ImageClassificationData: every source, splits, preparation and bad files. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RandomCrop, RandomHorizontalFlip } from "../../src/data/index.js";
import { ConfigurationError, DataError } from "../../src/errors.js";
import { HostTensor } from "../../src/host_tensor.js";
import { seedEverything } from "../../src/random.js";
import { ImageClassificationData, type ImageBatch } from "../../src/tasks/image/image_classification_data.js";
import { writeBomb, writeFileIn, writePlain, writeTruncated } from "../data/image_files.js";
import { picture, plain } from "../data/pictures.js";

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-images-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  seedEverything(0);
});

/** Folders of classes with so many pictures each. */
async function writeClasses(root: string, counts: Record<string, number>): Promise<string> {
  for (const [name, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) await writePlain(at(root, name, `${i + 1}.jpg`), [i * 10, 0, 0]);
  }
  return at(root);
}

async function failure(promise: Promise<unknown>): Promise<DataError | ConfigurationError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as DataError;
}

async function batches(loader: AsyncIterable<unknown> | undefined): Promise<ImageBatch[]> {
  const result: ImageBatch[] = [];
  for await (const batch of loader!) result.push(batch as ImageBatch);
  return result;
}

const small = { resize: { width: 8, height: 8 } };

describe("fromFolders", () => {
  it("reads classes from sub-folders, in natural order, and pictures in every folder below", async () => {
    const train = await writeClasses("train", { class10: 2, class2: 3, class1: 1 });
    await writePlain(at("train", "class1", "deeper", "still", "a.PNG"));
    const val = await writeClasses("val", { class2: 1 });
    const data = await ImageClassificationData.fromFolders({ train, val });
    expect(data.labels).toEqual(["class1", "class2", "class10"]);
    expect(data.numClasses).toBe(3);
    expect(data.multiLabel).toBe(false);
    expect(data.counts).toEqual({
      train: { class1: 2, class2: 3, class10: 2 },
      val: { class1: 0, class2: 1, class10: 0 },
    });
    expect(data.samples("val")).toEqual([
      { image: at("val", "class2", "1.jpg"), target: "class2", classes: ["class2"] },
    ]);
    expect(data.samples("test")).toEqual([]);
    expect(data.testDataloader()).toBeUndefined();
  });

  it("takes stratified parts from one folder, the same for the same seed", async () => {
    const train = await writeClasses("train", { a: 10, b: 20 });
    const options = { train, valSplit: 0.2, testSplit: 0.1 };
    const data = await ImageClassificationData.fromFolders({ ...options, seed: 1 });
    expect(data.counts).toEqual({ train: { a: 7, b: 14 }, val: { a: 2, b: 4 }, test: { a: 1, b: 2 } });
    const images = (["train", "val", "test"] as const).map((part) =>
      data.samples(part).map(({ image }) => image),
    );
    expect(new Set(images.flat()).size).toBe(30);
    seedEverything(1);
    const again = await ImageClassificationData.fromFolders(options);
    expect(again.samples("val")).toEqual(data.samples("val"));
    const other = await ImageClassificationData.fromFolders({ ...options, seed: 2 });
    expect(other.samples("val")).not.toEqual(data.samples("val"));
  });

  it("keeps a class with one picture for training, and says so", async () => {
    const train = await writeClasses("train", { many: 10, one: 1 });
    const heard: string[] = [];
    const data = await ImageClassificationData.fromFolders({
      train,
      valSplit: 0.3,
      onWarning: (text) => heard.push(text),
    });
    expect(data.counts.train).toMatchObject({ one: 1 });
    expect(data.counts.val).toMatchObject({ one: 0 });
    expect(data.warnings).toEqual([expect.stringContaining('"one" has a single picture')]);
    expect(heard).toEqual(data.warnings);
  });

  it("reports what it ignores: other files, pictures outside a class, empty classes", async () => {
    const train = await writeClasses("train", { a: 1, b: 1 });
    writeFileIn(at("train", "a", "notes.txt"), "text");
    writeFileIn(at("train", "readme.md"), "text");
    writeFileIn(at("train", "a", ".DS_Store"), "hidden");
    await writePlain(at("train", "b", "1.png")); // the name of another picture with another ending: a picture of its own
    mkdirSync(at("train", "nothing"));
    const data = await ImageClassificationData.fromFolders({ train });
    expect(data.labels).toEqual(["a", "b"]);
    expect(data.counts.train).toEqual({ a: 1, b: 2 });
    expect(data.skipped.map(({ path, error }) => [path, error.code]).sort()).toEqual([
      [at("train", "a", "notes.txt"), "ERR_IMAGE_EXTENSION"],
      [at("train", "readme.md"), "ERR_IMAGE_OUTSIDE_CLASS"],
    ]);
    expect(data.warnings.join("\n")).toContain("2 files");
    expect(data.warnings.join("\n")).toContain('"nothing"');
    expect(data.describe()).toContain("Warning: ");
  });

  it("names a folder that is missing, has no classes, or no pictures", async () => {
    mkdirSync(at("empty"));
    mkdirSync(at("bare", "a"), { recursive: true });
    await writePlain(at("flat", "1.jpg"));
    const code = async (train: string) => {
      const error = await failure(ImageClassificationData.fromFolders({ train }));
      expect(error.message).toContain(train);
      return error.code;
    };
    expect(await code(at("missing"))).toBe("ERR_FOLDER_MISSING");
    expect(await code(at("flat", "1.jpg"))).toBe("ERR_FOLDER_MISSING");
    expect(await code(at("empty"))).toBe("ERR_NO_CLASS_FOLDERS");
    expect(await code(at("flat"))).toBe("ERR_NO_CLASS_FOLDERS");
    expect(await code(at("bare"))).toBe("ERR_NO_IMAGES");
  });

  it("refuses a class that training does not know, naming a file and the choices", async () => {
    const train = await writeClasses("train", { cat: 1, dog: 1 });
    const val = await writeClasses("val", { cats: 1 });
    const error = await failure(ImageClassificationData.fromFolders({ train, val }));
    expect(error).toMatchObject({ code: "ERR_UNKNOWN_CLASS", path: at("val", "cats", "1.jpg") });
    expect(error.message).toContain('Did you mean "cat"?');
  });

  it("takes the classes and their order from `labels`", async () => {
    const train = await writeClasses("train", { cat: 1, dog: 1 });
    const data = await ImageClassificationData.fromFolders({ train, labels: ["dog", "cat", "horse"] });
    data.attachPreprocessing(small);
    const [batch] = await batches(data.trainDataloader());
    const targets = batch!.path!.map((path) => (path.includes("dog") ? 0 : 1));
    expect([...batch!.target.data]).toEqual(targets);
    const error = await failure(ImageClassificationData.fromFolders({ train, labels: ["cat"] }));
    expect(error.code).toBe("ERR_UNKNOWN_CLASS");
  });

  it("refuses parts that contradict each other", async () => {
    const train = await writeClasses("train", { a: 2 });
    const code = async (options: object) =>
      (await failure(ImageClassificationData.fromFolders(options))).code;
    expect(await code({ train, val: train, valSplit: 0.2 })).toBe("ERR_PARTS");
    expect(await code({ val: train, testSplit: 0.2 })).toBe("ERR_PARTS");
    expect(await code({ train, valSplit: 1.5 })).toBe("ERR_SPLIT");
  });

  it("predicts a folder, a pattern or a list", async () => {
    await writeClasses("photos", { x: 2 });
    for (const predict of [
      at("photos", "x"),
      at("photos", "x", "*.jpg"),
      [at("photos", "x", "1.jpg"), at("photos", "x", "2.jpg")],
    ]) {
      const data = await ImageClassificationData.fromFolders({ predict });
      data.attachPreprocessing(small);
      await data.setup("predict");
      const [batch] = await batches(data.predictDataloader());
      expect(batch!.path).toEqual([at("photos", "x", "1.jpg"), at("photos", "x", "2.jpg")]);
      expect(batch).not.toHaveProperty("target");
    }
  });
});

describe("fromFiles and fromArrays", () => {
  const images = [0, 1, 2, 3].map((i) => plain(4, 4, [i * 50, 0, 0]));

  it("pairs pictures with classes, by name or by number", async () => {
    const named = await ImageClassificationData.fromArrays({
      train: { images, targets: ["b", "a", "b", "c"] },
    });
    expect(named.labels).toEqual(["a", "b", "c"]);
    const numbered = await ImageClassificationData.fromArrays({ train: { images, targets: [10, 2, 10, 2] } });
    expect(numbered.labels).toEqual(["2", "10"]);
    const labels = ["zero", "one", "two"];
    const indexed = await ImageClassificationData.fromArrays({
      train: { images, targets: [1, 0, 1, 1] },
      labels,
    });
    expect(indexed.labels).toEqual(labels);
    expect(indexed.counts.train).toEqual({ zero: 1, one: 3, two: 0 });
  });

  it("takes one tensor of all pictures", async () => {
    const stacked = new HostTensor(
      new Uint8Array(3 * 2 * 4 * 1).map((_, i) => i),
      [3, 2, 4, 1],
    );
    const data = await ImageClassificationData.fromArrays({
      val: { images: stacked, targets: ["a", "b", "a"] },
    });
    data.attachPreprocessing({});
    await data.setup("validate");
    const [batch] = await batches(data.valDataloader());
    expect(batch!.input.shape).toEqual([3, 2, 4, 3]);
    expect([...batch!.input.data].filter((_, i) => i % 3 === 1)).toEqual([...stacked.data]);
    expect(batch).not.toHaveProperty("path");
    const wrong = new HostTensor(new Int32Array(4), [1, 2, 2, 1]);
    const error = await failure(
      ImageClassificationData.fromArrays({ train: { images: wrong, targets: ["a"] } }),
    );
    expect(error.code).toBe("ERR_IMAGE_ARRAY");
  });

  it("reads several classes a picture only when asked", async () => {
    const targets = [["x", "y"], [], ["y"], ["y", "y"]];
    const data = await ImageClassificationData.fromArrays({ val: { images, targets }, multiLabel: true });
    data.attachPreprocessing({});
    expect(data.labels).toEqual(["x", "y"]);
    expect(data.multiLabel).toBe(true);
    const [batch] = await batches(data.valDataloader());
    expect(batch!.target).toEqual(new HostTensor(Float32Array.of(1, 1, 0, 0, 0, 1, 0, 1), [4, 2]));
    expect(data.samples("val")[0]).toMatchObject({ target: "x, y", classes: ["x", "y"] });

    const given = { train: { images, targets: targets as never } };
    expect((await failure(ImageClassificationData.fromArrays(given))).code).toBe("ERR_MULTI_LABEL");
    const single = { train: { images, targets: ["x", "y z", "x,y", "x"] } };
    expect((await ImageClassificationData.fromArrays(single)).labels).toEqual(["x", "x,y", "y z"]);
    expect((await failure(ImageClassificationData.fromArrays({ ...single, multiLabel: true }))).code).toBe(
      "ERR_MULTI_LABEL",
    );
  });

  it("splits several classes a picture at random", async () => {
    const targets = images.map(() => ["x"]);
    const data = await ImageClassificationData.fromArrays({
      train: { images, targets },
      valSplit: 1,
      multiLabel: true,
    });
    expect(data.counts).toEqual({ train: { x: 3 }, val: { x: 1 } });
  });

  it.each([
    ["too few targets", ["a"], "ERR_TARGETS"],
    ["an empty name", ["a", "", "b", "c"], "ERR_TARGETS"],
    ["a fraction", [0, 1.5, 0, 1], "ERR_TARGETS"],
    ["null", [null, "a", "a", "a"], "ERR_TARGETS"],
  ])("refuses %s", async (_, targets, code) => {
    const error = await failure(
      ImageClassificationData.fromArrays({ train: { images, targets: targets as never } }),
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.code).toBe(code);
  });

  it("refuses a number beyond `labels`", async () => {
    const options = { train: { images, targets: [0, 1, 2, 0] }, labels: ["a", "b"] };
    expect((await failure(ImageClassificationData.fromArrays(options))).code).toBe("ERR_UNKNOWN_CLASS");
  });

  it("mixes paths and Buffers", async () => {
    const path = await writePlain(at("one.jpg"));
    const files = [path, Buffer.from(await import("node:fs").then(({ readFileSync }) => readFileSync(path)))];
    const data = await ImageClassificationData.fromFiles({ val: { files, targets: ["a", "a"] } });
    data.attachPreprocessing(small);
    const [batch] = await batches(data.valDataloader());
    expect(batch!.input.data.subarray(0, 192)).toEqual(batch!.input.data.subarray(192));
  });
});

describe("fromCsv", () => {
  const write = (text: string) => writeFileIn(at("table.csv"), text);

  beforeEach(async () => {
    for (const name of ["1.jpg", "2.jpg", "3.jpg"]) await writePlain(at("pictures", name));
  });

  it("reads pictures relative to the table or to `root`, and classes as they are", async () => {
    const train = write(
      '\ufeffimage,label\npictures/1.jpg,"red, dotted"\npictures/2.jpg,light blue\npictures/3.jpg,"red, dotted"\n',
    );
    const data = await ImageClassificationData.fromCsv({ train });
    expect(data.labels).toEqual(["light blue", "red, dotted"]);
    expect(data.samples("train")[1]).toMatchObject({ image: at("pictures", "2.jpg"), target: "light blue" });
    const other = write("file;kind\n1.jpg;a\n");
    const options = { imageColumn: "file", labelColumn: "kind", delimiter: ";", root: at("pictures") };
    const rooted = await ImageClassificationData.fromCsv({ train: other, ...options });
    expect(rooted.samples("train")[0]!.image).toBe(at("pictures", "1.jpg"));
  });

  it("divides classes by the separator, or reads one column a class", async () => {
    const separated = write("image,label\npictures/1.jpg,a b|c\npictures/2.jpg,\npictures/3.jpg,c\n");
    const one = await ImageClassificationData.fromCsv({
      train: separated,
      multiLabel: true,
      labelSeparator: "|",
    });
    expect(one.samples("train").map(({ classes }) => classes)).toEqual([["a b", "c"], [], ["c"]]);
    const columns = write("image,wet,cold,never\npictures/1.jpg,1,0,0\npictures/2.jpg,1,1,0\n");
    const labelColumn = ["wet", "cold", "never"];
    const many = await ImageClassificationData.fromCsv({ train: columns, multiLabel: true, labelColumn });
    expect(many.labels).toEqual(labelColumn);
    expect(many.counts.train).toEqual({ wet: 2, cold: 1, never: 0 });
  });

  it("asks for multiLabel and what belongs to it", async () => {
    const train = write("image,label\npictures/1.jpg,a\n");
    for (const options of [{ multiLabel: true }, { labelSeparator: "," }, { labelColumn: ["label"] }]) {
      expect((await failure(ImageClassificationData.fromCsv({ train, ...options }))).code).toBe(
        "ERR_MULTI_LABEL",
      );
    }
  });

  it("reports every bad row by its number", async () => {
    const train = write("image,label\npictures/1.jpg,a\n,b\npictures/2.jpg,\npictures/3.jpg,a,too much\n");
    const error = await failure(ImageClassificationData.fromCsv({ train }));
    expect(error).toMatchObject({ code: "ERR_TABLE_ROW", row: 3, path: train });
    for (const part of ["3 rows", "row 3", "row 4", "row 5", "3 columns"])
      expect(error.message).toContain(part);
    const data = await ImageClassificationData.fromCsv({ train, onBadSample: "skip" });
    expect(data.samples("train")).toHaveLength(1);
    expect(data.skipped.map((skipped) => skipped.error.row)).toEqual([3, 4, 5]);
    const hot = write("image,a\npictures/1.jpg,yes\n");
    const wrong = await failure(
      ImageClassificationData.fromCsv({ train: hot, multiLabel: true, labelColumn: ["a"] }),
    );
    expect(wrong.message).toContain('must be 0 or 1, not "yes"');
  });

  it("names a column or a table that is not there", async () => {
    const train = write("image,labal\npictures/1.jpg,a\n");
    const error = await failure(ImageClassificationData.fromCsv({ train }));
    expect(error.code).toBe("ERR_TABLE_COLUMN");
    expect(error.message).toContain('Did you mean "labal"?');
    expect((await failure(ImageClassificationData.fromCsv({ train: at("none.csv") }))).code).toBe(
      "ERR_TABLE_READ",
    );
    expect(
      (await failure(ImageClassificationData.fromCsv({ train: write('image,label\n"a,b\n') }))).code,
    ).toBe("ERR_TABLE_READ");
    expect((await failure(ImageClassificationData.fromCsv({ train: write("image,label\n") }))).code).toBe(
      "ERR_NO_IMAGES",
    );
  });

  it("predicts without a column of classes", async () => {
    const predict = write("image\npictures/1.jpg\n");
    const data = await ImageClassificationData.fromCsv({ predict });
    await data.setup("predict");
    expect(data.predictDataloader()!.length).toBe(1);
  });
});

describe("loaders", () => {
  const images = Array.from({ length: 40 }, (_, i) => picture(20 + i, 30));
  const targets = images.map((_, i) => (i % 2 === 0 ? "even" : "odd"));

  it("prepare pictures as the task asks, and training pictures by its transforms", async () => {
    const data = await ImageClassificationData.fromArrays({ train: { images, targets }, valSplit: 0.25 });
    data.attachPreprocessing({
      resize: { shortestEdge: 20 },
      centerCrop: { width: 16, height: 12 },
      trainTransforms: [new RandomCrop({ size: { width: 16, height: 12 } }), new RandomHorizontalFlip()],
    });
    await data.setup("fit");
    for (const loader of [data.trainDataloader()!, data.valDataloader()!]) {
      for (const { input } of await batches(loader)) expect(input.shape.slice(1)).toEqual([12, 16, 3]);
    }
    const epoch = async () => (await batches(data.trainDataloader())).flatMap(({ input }) => [...input.data]);
    data.trainDataloader()!.setEpoch(0);
    const first = await epoch();
    expect(await epoch()).not.toEqual(first);
    data.trainDataloader()!.setEpoch(0);
    expect(await epoch()).toEqual(first);
    const validation = await batches(data.valDataloader());
    expect(await batches(data.valDataloader())).toEqual(validation);
  });

  it("keep their datasets until another preparation is attached", async () => {
    const data = await ImageClassificationData.fromArrays({ train: { images, targets } });
    data.attachPreprocessing(small);
    const loader = data.trainDataloader();
    data.attachPreprocessing({ resize: { width: 8, height: 8 }, trainTransforms: [] });
    expect(data.trainDataloader()).toBe(loader);
    data.attachPreprocessing({ resize: { width: 9, height: 8 } });
    expect(data.trainDataloader()).not.toBe(loader);
  });

  it("the data's own training transforms come before the task's", async () => {
    const trainTransforms = [new RandomHorizontalFlip({ probability: 0.1 })];
    const data = await ImageClassificationData.fromArrays({ train: { images, targets }, trainTransforms });
    data.attachPreprocessing({ ...small, trainTransforms: [] });
    expect(data.preprocessing.trainTransforms).toBe(trainTransforms);
  });

  it("have a batch size that fits the data, unless it is given", async () => {
    const size = async (count: number, options = {}) => {
      const train = {
        images: Array.from({ length: count }, () => plain(1, 1, [0, 0, 0])),
        targets: Array<string>(count).fill("a"),
      };
      const data = await ImageClassificationData.fromArrays({ train, ...options });
      const { batchSize, length } = data.trainDataloader()!;
      return [batchSize, length];
    };
    expect(await size(3)).toEqual([4, 1]);
    expect(await size(50)).toEqual([12, 4]);
    expect(await size(1000)).toEqual([32, 31]);
    expect(await size(10, { batchSize: 10 })).toEqual([10, 1]);
    expect(await size(10, { batchSize: 4 })).toEqual([4, 2]);
    expect(await size(10, { batchSize: 4, dropLast: false })).toEqual([4, 3]);
  });

  it("describe the data", async () => {
    const data = await ImageClassificationData.fromArrays({
      train: { images, targets },
      valSplit: 0.25,
      predict: images,
    });
    expect(data.describe()).toBe(
      [
        "2 classes, batches of 7",
        "  class       train     val",
        "  even           15       5",
        "  odd            15       5",
        "  pictures       30      10",
        "  40 pictures to predict",
      ].join("\n"),
    );
  });
});

describe("bad files in a training folder", () => {
  const bad: Record<string, [string, () => Promise<string> | string]> = {
    "a truncated JPEG": ["ERR_IMAGE_TRUNCATED", () => writeTruncated(at("train", "a", "bad.jpg"))],
    "an empty file": ["ERR_IMAGE_EMPTY", () => writeFileIn(at("train", "a", "bad.jpg"), "")],
    "text named .jpg": ["ERR_IMAGE_FORMAT", () => writeFileIn(at("train", "a", "bad.jpg"), "text")],
    "a PNG of 30000 x 30000": [
      "ERR_IMAGE_TOO_LARGE",
      () => writeBomb(at("train", "a", "bad.png"), 30000, 30000),
    ],
  };

  it.each(Object.entries(bad))("%s stops training, named", async (name, [code, make]) => {
    const train = await writeClasses("train", { a: 3, b: 3 });
    const path = await make();
    const data = await ImageClassificationData.fromFolders({ train });
    data.attachPreprocessing(small);
    const run = async () => {
      await data.setup("fit");
      expect(name).toBe("a truncated JPEG"); // the others have been found by their headers
      await batches(data.trainDataloader());
    };
    expect(await failure(run())).toMatchObject({ code, path });
  });

  it.each(Object.entries(bad))("%s is left out and reported with skip", async (_, [code, make]) => {
    const train = await writeClasses("train", { a: 3, b: 3 });
    const path = await make();
    const data = await ImageClassificationData.fromFolders({ train, onBadSample: "skip", batchSize: 3 });
    data.attachPreprocessing(small);
    expect(data.counts.train).toEqual({ a: 4, b: 3 });
    await data.setup("fit");
    expect(data.skipped).toEqual([
      { part: "train", path, error: expect.objectContaining({ code, path }) as DataError },
    ]);
    expect(data.warnings).toEqual(["1 of 7 pictures in `train` cannot be used and were left out."]);
    expect(data.counts.train).toEqual({ a: 3, b: 3 });
    const read = await batches(data.trainDataloader());
    expect(read.map(({ input }) => input.shape[0])).toEqual([3, 3]);
    expect(read.flatMap((batch) => batch.path!).sort()).toEqual(
      ["a", "b"].flatMap((name) => [1, 2, 3].map((i) => at("train", name, `${i}.jpg`))),
    );
    await data.setup("fit");
    expect(data.skipped).toHaveLength(1);
  });

  it("lists all of them in one error", async () => {
    const files = [writeFileIn(at("1.jpg"), ""), await writePlain(at("2.jpg")), at("missing.jpg")];
    const data = await ImageClassificationData.fromFiles({ train: { files, targets: ["a", "b", "a"] } });
    const error = await failure(data.setup("fit"));
    expect(error.message).toContain("2 of 3 samples cannot be used");
    expect(error.message).toContain("1.jpg is empty");
    expect(error.message).toContain("missing.jpg does not exist");
  });

  it("says when a class or a part has nothing left", async () => {
    const good = await writePlain(at("good.jpg"));
    const files = [good, writeFileIn(at("bad.jpg"), "")];
    const options = { train: { files, targets: ["a", "b"] }, onBadSample: "skip" } as const;
    const data = await ImageClassificationData.fromFiles(options);
    await data.setup("fit");
    expect(data.warnings).toContain('No picture of the class "b" is left in `train`.');
    const none = await ImageClassificationData.fromFiles({
      ...options,
      train: { files: [at("bad.jpg")], targets: ["b"] },
    });
    expect((await failure(none.setup("fit"))).code).toBe("ERR_NO_IMAGES");
  });

  it("takes pictures of the same name in two classes, CMYK, 16 bits and a single pixel", async () => {
    const { default: sharp } = await import("sharp");
    const train = await writeClasses("train", { a: 1, b: 1 });
    const raw = { width: 6, height: 6, channels: 3 } as const;
    const image = sharp(plain(6, 6, [100, 50, 25]).data, { raw });
    writeFileIn(at("train", "a", "cmyk.jpg"), await image.clone().toColourspace("cmyk").jpeg().toBuffer());
    writeFileIn(at("train", "a", "deep.png"), await image.clone().toColourspace("rgb16").png().toBuffer());
    await writePlain(at("train", "b", "one.jpg"), [1, 2, 3], 1);
    const data = await ImageClassificationData.fromFolders({ train, dropLast: false });
    data.attachPreprocessing(small);
    await data.setup("fit");
    const read = await batches(data.trainDataloader());
    expect(read.flatMap((batch) => batch.path!)).toHaveLength(5);
    expect(data.skipped).toEqual([]);
  });
});
