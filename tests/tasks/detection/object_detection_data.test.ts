import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ObjectDetectionData, type BoxArrays } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import "../../support/backend.js";
import { rectangles, tinyBackbone } from "./tiny_detector.js";
import { describeShared } from "../../support/shared.js";

async function batchesOf<Batch>(loader: AsyncIterable<Batch>): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  return batches;
}

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

async function picture(path: string, width = 40, height = 30): Promise<void> {
  const image = sharp({ create: { width, height, channels: 3, background: "#336699" } });
  await image.jpeg().toFile(path);
}

function file(path: string, content: string | object): string {
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const voc = (filename: string, objects: [string, number, number, number, number][], size = "") =>
  `<annotation><filename>${filename}</filename>${size}${objects
    .map(
      ([name, ...corners]) =>
        `<object><name>${name}</name><bndbox>${["xmin", "ymin", "xmax", "ymax"]
          .map((corner, i) => `<${corner}>${corners[i]}</${corner}>`)
          .join("")}</bndbox></object>`,
    )
    .join("")}</annotation>`;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "kindling-detection-"));
  for (const folder of ["images", "labels", "annotations"]) mkdirSync(at(folder));
  for (const name of ["a.jpg", "b.jpg", "c.jpg"]) await picture(at("images", name));
});
afterAll(() => rmSync(root, { recursive: true }));

/** One box of a cat, x 10 to 20 and y 5 to 25, in picture a; none in b; a dog that fills c. */
function expectTheThree(data: ObjectDetectionData): void {
  expect(data.labels).toEqual(["cat", "dog"]);
  const records = data.records("train");
  expect(records.map(({ image }) => (image as string).slice(-5))).toEqual(["a.jpg", "b.jpg", "c.jpg"]);
  expect(records.map(({ boxes }) => boxes)).toMatchObject([
    [{ xmin: 10, ymin: 5, xmax: 20, ymax: 25, classId: 0 }],
    [],
    [{ xmin: 0, ymin: 0, xmax: 40, ymax: 30, classId: 1 }],
  ]);
  expect(data.counts).toEqual({ train: { cat: 1, dog: 1 } });
}

const images = () => at("images");
const cocoFile = {
  images: ["a", "b", "c"].map((name, i) => ({ id: i + 7, file_name: `${name}.jpg`, width: 40, height: 30 })),
  categories: [
    { id: 9, name: "dog" },
    { id: 3, name: "cat" },
  ],
  annotations: [
    { id: 1, image_id: 7, category_id: 3, bbox: [10, 5, 10, 20], area: 150, iscrowd: 0 },
    { id: 2, image_id: 9, category_id: 9, bbox: [0, 0, 40, 30], iscrowd: 1 },
  ],
};

describe("the same three pictures", () => {
  it("come out of Pascal VOC, whose corners count from 1", async () => {
    file(at("annotations", "a.xml"), voc("a.jpg", [["cat", 11, 6, 20, 25]]));
    file(at("annotations", "b.xml"), voc("b.jpg", []));
    file(at("annotations", "c.xml"), voc("c.jpg", [["dog", 1, 1, 40, 30]]));
    const part = { images: images(), annotations: at("annotations") };
    expectTheThree(await ObjectDetectionData.fromVoc({ train: part }));
    const list = file(at("list.txt"), "a\nc\n");
    const some = await ObjectDetectionData.fromVoc({ train: { ...part, list } });
    expect(some.records("train")).toHaveLength(2);
  });

  it("come out of COCO, with crowds and areas", async () => {
    const annotations = file(at("coco.json"), cocoFile);
    const data = await ObjectDetectionData.fromCoco({ train: { images: images(), annotations } });
    expectTheThree(data);
    expect(data.records("train").flatMap(({ boxes }) => boxes)).toMatchObject([
      { area: 150 },
      { crowd: true },
    ]);
  });

  it("come out of YOLO, from a data.yaml or from folders", async () => {
    file(at("labels", "a.txt"), `0 ${15 / 40} ${15 / 30} ${10 / 40} ${20 / 30}\n`);
    file(at("labels", "c.txt"), "1 0.5 0.5 1 1");
    const data = file(at("data.yaml"), "path: .\ntrain: images\nnames:\n  0: cat\n  1: dog\n");
    expectTheThree(await ObjectDetectionData.fromYolo({ data }));
    expectTheThree(
      await ObjectDetectionData.fromYolo({ train: { images: images() }, labels: ["cat", "dog"] }),
    );
    await expect(ObjectDetectionData.fromYolo({ train: { images: images() } })).rejects.toThrow(
      /YOLO's labels are numbers/,
    );
  });

  it("come out of a table", async () => {
    const annotations = file(
      at("boxes.csv"),
      "filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,10,5,20,25\nb.jpg,,,,,\nc.jpg,dog,0,0,40,30\n",
    );
    expectTheThree(await ObjectDetectionData.fromCsv({ train: { annotations, images: images() } }));
    const wide = file(
      at("wide.csv"),
      "file;thing;x;y;w;h\na.jpg;cat;10;5;10;20\nb.jpg;;;;;\nc.jpg;dog;0;0;40;30\n",
    );
    expectTheThree(
      await ObjectDetectionData.fromCsv({
        train: { annotations: wide, images: images() },
        labelColumn: "thing",
        boxColumns: ["x", "y", "w", "h"],
        boxFormat: "xywh",
        delimiter: ";",
      }),
    );
  });

  it("come out of arrays", async () => {
    const data = await ObjectDetectionData.fromArrays({
      train: {
        images: ["a", "b", "c"].map((name) => at("images", `${name}.jpg`)),
        targets: [
          { boxes: [[15, 15, 10, 20]], labels: ["cat"] },
          { boxes: [], labels: [] },
          { boxes: [[20, 15, 40, 30]], labels: [1] },
        ],
      },
      boxFormat: "cxcywh",
      labels: ["cat", "dog"],
    });
    expectTheThree(data);
  });

  it("come out of a folder whose layout is recognised, unless it is ambiguous", async () => {
    await expect(ObjectDetectionData.fromFolders({ train: root })).rejects.toThrow(
      /several kinds of annotations: Pascal VOC; YOLO/,
    );
    rmSync(at("data.yaml"));
    for (const name of ["coco.json"]) rmSync(at(name));
    expectTheThree(await ObjectDetectionData.fromFolders({ train: root }));
    await expect(ObjectDetectionData.fromFolders({ train: images() })).rejects.toThrow(
      /no annotations that are known/,
    );
  });
});

describe("what cannot be used", () => {
  const fromVoc = (objects: [string, number, number, number, number][], options = {}, size = "") => {
    const folder = mkdtempSync(at("voc-"));
    file(join(folder, "a.xml"), voc("a.jpg", objects, size));
    file(join(folder, "b.xml"), voc("b.jpg", [["cat", 2, 2, 10, 10]]));
    file(join(folder, "c.xml"), voc("c.jpg", []));
    return ObjectDetectionData.fromVoc({ train: { images: images(), annotations: folder }, ...options });
  };

  it.each([
    [
      "an empty box",
      [["cat", 5, 5, 5, 5]],
      "ERR_BOX_EMPTY",
      /a\.xml, object 1 \(cat\) is a box without area/,
    ],
    ["a box outside", [["cat", 5, 5, 60, 20]], "ERR_BOX_OUTSIDE", /reaches 20 pixels out of the picture/],
    [
      "a corner that is no number",
      [["cat", NaN, 5, 60, 20]],
      "ERR_ANNOTATION",
      /`xmin` is "NaN", not a number/,
    ],
  ] as [string, [string, number, number, number, number][], string, RegExp][])(
    "is refused by name: %s",
    async (_, objects, code, message) => {
      await expect(fromVoc(objects)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
    },
  );

  it("is left out and listed with `skip`; what reaches out is cut off", async () => {
    const data = await fromVoc(
      [
        ["cat", 5, 5, 5, 5],
        ["cat", 31, 5, 60, 20],
        ["cat", 50, 5, 60, 20],
      ],
      { onBadSample: "skip" },
    );
    expect(data.records("train")[0]!.boxes).toEqual([{ xmin: 30, ymin: 4, xmax: 40, ymax: 20, classId: 0 }]);
    expect(data.skipped.map(({ error }) => error.code)).toEqual([
      "ERR_BOX_EMPTY",
      "ERR_BOX_OUTSIDE",
      "ERR_BOX_OUTSIDE",
    ]);
    expect(data.warnings[0]).toMatch(/^3 pictures or boxes were left out or cut off/);
  });

  it("an annotation made for another size", async () => {
    const size = "<size><width>80</width><height>60</height></size>";
    await expect(fromVoc([["cat", 5, 5, 9, 9]], {}, size)).rejects.toMatchObject({
      code: "ERR_ANNOTATION_SIZE",
      message: expect.stringMatching(/is 40 by 30 pixels .* was made for 80 by 60/) as string,
    });
  });

  it("an empty XML, one that is not closed, a picture without annotation, an annotation without picture", async () => {
    const folder = mkdtempSync(at("broken-"));
    file(join(folder, "a.xml"), "");
    file(join(folder, "b.xml"), "<annotation><object>");
    file(join(folder, "d.xml"), voc("d.jpg", []));
    const result = ObjectDetectionData.fromVoc({ train: { images: images(), annotations: folder } });
    const error: Error = await result.then(
      () => Promise.reject(new Error("nothing was thrown")),
      (error: Error) => error,
    );
    for (const part of [
      /^4 pictures or boxes cannot be used/,
      /a\.xml is empty/,
      /b\.xml is no XML/,
      /d\.xml is about "d\.jpg", but .* has no such picture/,
      /c\.jpg has no annotation/,
    ])
      expect(error.message).toMatch(part);
  });

  it("a COCO file with a dangling category or image, and one of another form", async () => {
    const make = (annotation: object) =>
      ObjectDetectionData.fromCoco({
        train: {
          images: images(),
          annotations: file(at("dangling.json"), { ...cocoFile, annotations: [annotation] }),
        },
      });
    const box = { id: 5, image_id: 7, category_id: 3, bbox: [1, 1, 5, 5] };
    await expect(make({ ...box, category_id: 4 })).rejects.toThrow(
      /annotation 5 has the category 4, .* \(3, 9\)/,
    );
    await expect(make({ ...box, image_id: 1 })).rejects.toThrow(/about the image 1, which is not listed/);
    await expect(make({ ...box, bbox: [1, 1, 0, 5] })).rejects.toThrow(/without area: 0 wide, 5 high/);
    const annotations = file(at("other.json"), []);
    await expect(ObjectDetectionData.fromCoco({ train: { images: images(), annotations } })).rejects.toThrow(
      /not in COCO's format/,
    );
  });

  it("rows of YOLO's files, with their numbers", async () => {
    const labels = mkdtempSync(at("yolo-"));
    file(
      join(labels, "a.txt"),
      "0 0.5 0.5 0.2 0.2\n\n4 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2\n0 12 12 9 9\n0 0.5 0.5 0 0.2",
    );
    const error = await ObjectDetectionData.fromYolo({
      train: { images: images(), labels },
      labels: ["cat"],
    }).then(
      () => undefined,
      (error: Error) => error,
    );
    for (const part of [
      /row 3 has the class 4; there are 1/,
      /row 4 has 4 numbers; a box has five/,
      /row 5 \(cat\) is 9 by 9; YOLO's boxes are in shares/,
      /row 6 \(cat\) is a box without area/,
    ])
      expect(error!.message).toMatch(part);
  });

  it("a class that only the validation part has, and data without any box", async () => {
    const arrays = (label: string, box = [1, 1, 9, 9] as const) => ({
      images: [at("images", "a.jpg")],
      targets: [{ boxes: label === "" ? [] : [box], labels: label === "" ? [] : [label] }],
    });
    await expect(
      ObjectDetectionData.fromArrays({ train: arrays("cat"), val: arrays("catt") }),
    ).rejects.toThrow(/in `val` has a box of the class "catt".* Did you mean "cat"\?/s);
    const skipping = { train: arrays("cat"), val: arrays("catt"), onBadSample: "skip" } as const;
    const data = await ObjectDetectionData.fromArrays(skipping);
    expect(data.labels).toEqual(["cat"]);
    expect(data.records("val").map(({ boxes }) => boxes)).toEqual([[]]);
    expect(data.skipped).toMatchObject([{ part: "val", error: { code: "ERR_UNKNOWN_CLASS" } }]);
    await expect(ObjectDetectionData.fromArrays({ train: arrays("") })).rejects.toMatchObject({
      code: "ERR_NO_BOXES",
    });
  });

  it("parts of which nothing is left, no part at all, and labels that are none", async () => {
    const train: BoxArrays = {
      images: [at("images", "a.jpg")],
      targets: [{ boxes: [[1, 1, 9, 9]], labels: ["cat"] }],
    };
    const test = { ...train, images: [at("images", "gone.jpg")] };
    await expect(ObjectDetectionData.fromArrays({ train, test, onBadSample: "skip" })).rejects.toThrow(
      /No picture of `test` can be used. The first: .*gone\.jpg/,
    );
    await expect(ObjectDetectionData.fromArrays({})).rejects.toThrow(/no part: give at least one of `train`/);
    for (const labels of [[], ["cat", "cat"]])
      await expect(ObjectDetectionData.fromArrays({ train, labels })).rejects.toMatchObject({
        code: "ERR_LABELS",
      });
  });

  it("a task made for pictures of another size than these data were given", async () => {
    const options = { train: rectangles(4, 1), labels: ["green", "red"], imageSize: 128 };
    const data = await ObjectDetectionData.fromArrays(options);
    expect(new ObjectDetector({ data, backbone: tinyBackbone() }).imageSize).toBe(128);
    expect(() => new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 96 })).toThrow(
      /told to bring pictures to 128 pixels.*made for 96/,
    );
    await expect(ObjectDetectionData.fromArrays({ ...options, imageSize: 100 })).rejects.toMatchObject({
      code: "ERR_IMAGE_SIZE",
    });
  });
});

describe("loaders", () => {
  const data = (options = {}) =>
    ObjectDetectionData.fromArrays({
      train: {
        images: [at("images", "a.jpg"), at("images", "b.jpg"), at("images", "c.jpg")],
        targets: [
          { boxes: [[10, 6, 20, 26]], labels: ["cat"] },
          { boxes: [], labels: [] },
          {
            boxes: new Array(9).fill([0, 0, 40, 30]) as [number, number, number, number][],
            labels: new Array(9).fill("dog") as string[],
          },
        ],
      },
      batchSize: 3,
      seed: 3,
      ...options,
    });

  it("letterbox pictures and their boxes, rows filled up with class -1", async () => {
    const detection = await data();
    detection.attachPreprocessing({ imageSize: 64 });
    const [batch] = await batchesOf(detection.trainDataloader()!);
    expect(batch!.input.shape).toEqual([3, 64, 64, 3]);
    expect(batch!.boxes.shape).toEqual([3, 16, 4]);
    const row = [...batch!.index.data].indexOf(0);
    expect([...batch!.boxes.data.slice(row * 64, row * 64 + 5)]).toEqual([
      16,
      expect.closeTo(9.6, 5),
      32,
      expect.closeTo(41.6, 5),
      0,
    ]);
    expect([...batch!.classIds.data.slice(row * 16, row * 16 + 3)]).toEqual([0, -1, -1]);
    expect([...batch!.originalSize.data]).toEqual([40, 30, 40, 30, 40, 30]);
  });

  it("change training pictures at random, the same for the same seed", async () => {
    const augmentation = { scale: [0.5, 2], mosaic: 0.5, mixup: 0.5 } as const;
    const once = async () => {
      const detection = await data({ imageSize: 64, augmentation });
      return batchesOf(detection.trainDataloader()!);
    };
    const [first, second] = [await once(), await once()];
    expect(first).toEqual(second);
    const { boxes, classIds } = first[0]!;
    classIds.data.forEach((classId, i) => {
      if (classId < 0) return;
      const [xmin, ymin, xmax, ymax] = boxes.data.slice(4 * i, 4 * i + 4);
      expect(xmin! >= 0 && ymin! >= 0 && xmax! <= 64 && ymax! <= 64 && xmax! > xmin! && ymax! > ymin!).toBe(
        true,
      );
    });
  });

  it("show rare classes more often with balanceClasses", async () => {
    const many = await ObjectDetectionData.fromArrays({
      train: {
        images: new Array<string>(40).fill(at("images", "a.jpg")),
        targets: Array.from({ length: 40 }, (_, i) => ({
          boxes: [[1, 1, 9, 9]],
          labels: [i === 0 ? "rare" : "usual"],
        })),
      },
      balanceClasses: true,
      imageSize: 64,
      seed: 0,
    });
    let rare = 0;
    const loader = many.trainDataloader()!;
    for (let epoch = 0; epoch < 20; epoch++)
      for await (const { index } of loader) rare += [...index.data].filter((i) => i === 0).length;
    // The factor is √(0.3 · 40) = 3.46 of 42.46 draws: 65 of 800 on average, 20 without.
    expect(rare).toBeGreaterThan(40);
  });
});

describeShared("data/bccd", (folder) => {
  const part = (name: string) => ({
    images: join(folder, "BCCD/JPEGImages"),
    annotations: join(folder, "BCCD/Annotations"),
    list: join(folder, `BCCD/ImageSets/Main/${name}.txt`),
  });

  it("names the two boxes without area, and can leave them out", async () => {
    const options = { train: part("trainval"), test: part("test") };
    await expect(ObjectDetectionData.fromVoc(options)).rejects.toThrow(
      /BloodImage_00338\.xml[^]*BloodImage_00343\.xml/,
    );
    const data = await ObjectDetectionData.fromVoc({ ...options, onBadSample: "skip" });
    expect(data.labels).toEqual(["Platelets", "RBC", "WBC"]);
    const boxes = [...data.records("train"), ...data.records("test")].flatMap(({ boxes }) => boxes);
    expect(boxes).toHaveLength(4888 - 2);
  });
});

describeShared("data/raccoon", (folder) => {
  it("reads the same boxes from XML and from the table", async () => {
    const images = join(folder, "images");
    const fromVoc = await ObjectDetectionData.fromVoc({
      train: { images, annotations: join(folder, "annotations") },
      onBadSample: "skip",
    });
    const fromCsv = await ObjectDetectionData.fromCsv({
      train: { images, annotations: join(folder, "data/raccoon_labels.csv") },
      onBadSample: "skip",
    });
    const areas = (data: ObjectDetectionData) =>
      data
        .records("train")
        .flatMap(({ boxes }) => boxes.map(({ xmax, ymax }) => xmax * ymax))
        .sort((a, b) => a - b);
    expect(fromVoc.records("train")).toHaveLength(200);
    expect(areas(fromVoc)).toHaveLength(217);
    expect(areas(fromVoc)).toEqual(areas(fromCsv));
  });
});
