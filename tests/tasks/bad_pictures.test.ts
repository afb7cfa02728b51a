/** What odd pictures do in `predict` and in a training folder: each is right, or a coded error that names the file. */
import { mkdirSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Trainer } from "../../src/core/index.js";
import type { DataError } from "../../src/errors.js";
import { ImageClassificationData } from "../../src/tasks/image/image_classification_data.js";
import { ImageClassifier } from "../../src/tasks/image/image_classifier.js";
import { toSharp, writeBomb, writeFileIn, writePlain, writeTruncated } from "../data/image_files.js";
import { plain } from "../data/pictures.js";

const quiet = { maxEpochs: 1, logger: false, enableProgressBar: false, enableCheckpointing: false } as const;

interface OddPicture {
  name: string;
  write: (path: string) => unknown;
  /** The error's code; undefined where the picture is as good as any. */
  code?: string;
}

const pictures: OddPicture[] = [
  { name: "truncated.jpg", write: (path) => writeTruncated(path), code: "ERR_IMAGE_TRUNCATED" },
  { name: "empty.jpg", write: (path) => writeFileIn(path, ""), code: "ERR_IMAGE_EMPTY" },
  { name: "text.jpg", write: (path) => writeFileIn(path, "this is no picture"), code: "ERR_IMAGE_FORMAT" },
  { name: "bomb.png", write: (path) => writeBomb(path, 30000, 30000), code: "ERR_IMAGE_TOO_LARGE" },
  {
    name: "one_pixel.png",
    write: (path) =>
      toSharp(plain(1, 1, [9, 9, 9]))
        .png()
        .toFile(path),
  },
  {
    name: "cmyk.jpg",
    write: (path) =>
      toSharp(plain(9, 9, [200, 90, 30]))
        .toColourspace("cmyk")
        .jpeg()
        .toFile(path),
  },
  {
    name: "sixteen_bits.png",
    write: (path) =>
      toSharp(plain(9, 9, [9, 200, 9]))
        .toColourspace("rgb16")
        .png()
        .toFile(path),
  },
  { name: "animated.gif", write: writeAnimation },
];

async function writeAnimation(path: string): Promise<void> {
  const frames = [plain(8, 8, [250, 10, 10]), plain(8, 8, [10, 10, 250])].map(({ data }) => data);
  const raw = { width: 8, height: 16, channels: 3 as const, pageHeight: 8 };
  await toSharp({ data: Buffer.concat(frames), ...raw })
    .gif({ loop: 0 })
    .toFile(path);
}

/** Two classes of four pictures of one colour each. */
async function makeClasses(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kindling-"));
  for (let i = 0; i < 4; i++) {
    await writePlain(join(folder, "blue", `${i}.jpg`), [20, 20, 200 + i]);
    await writePlain(join(folder, "red", `${i}.jpg`), [200 + i, 20, 20]);
  }
  return folder;
}

function makeTask(data?: ImageClassificationData): ImageClassifier {
  return new ImageClassifier({ data, labels: ["blue", "red"], imageSize: 16 });
}

async function errorOf(promise: Promise<unknown>): Promise<DataError> {
  return promise.then(
    () => expect.fail("nothing was thrown"),
    (error: unknown) => error as DataError,
  );
}

describe("predict", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindling-"));
    for (const { name, write } of pictures) await write(join(folder, name));
  });

  it.each(pictures)("$name: $code", async ({ name, code }) => {
    const path = join(folder, name);
    if (code === undefined) {
      expect(await makeTask().predict(path)).toMatchObject({ label: expect.any(String) as string });
      return;
    }
    const error = await errorOf(makeTask().predict([path]));
    expect(error).toMatchObject({ name: "DataError", code, path });
    expect(error.message).toContain(path);
  });

  it("names a missing path, and a folder without pictures", async () => {
    const missing = join(folder, "missing.jpg");
    expect(await errorOf(makeTask().predict(missing))).toMatchObject({
      code: "ERR_IMAGE_MISSING",
      path: missing,
    });
    const empty = join(folder, "empty_folder");
    mkdirSync(empty);
    expect(await errorOf(makeTask().predict(empty))).toMatchObject({ code: "ERR_NO_IMAGES", path: empty });
  });
});

describe("a training folder", () => {
  it.each(pictures)("$name: $code", async ({ name, write, code }) => {
    const folder = await makeClasses();
    const path = join(folder, "red", name);
    await write(path);
    const strict = await ImageClassificationData.fromFolders({ train: folder });
    if (code === undefined) {
      await new Trainer(quiet).fit(makeTask(strict), strict);
      expect(strict.counts.train).toEqual({ blue: 4, red: 5 });
      return;
    }
    const error = await errorOf(new Trainer(quiet).fit(makeTask(strict), strict));
    expect(error).toMatchObject({ name: "DataError", code, path });

    const lenient = await ImageClassificationData.fromFolders({ train: folder, onBadSample: "skip" });
    await new Trainer(quiet).fit(makeTask(lenient), lenient);
    expect(lenient.skipped.map((skipped) => [basename(skipped.path), skipped.error.code])).toEqual([
      [name, code],
    ]);
    expect(lenient.counts.train).toEqual({ blue: 4, red: 4 });
  });

  it("names a path that is missing from a list", async () => {
    const folder = await makeClasses();
    const files = [join(folder, "red", "0.jpg"), join(folder, "red", "gone.jpg")];
    const data = await ImageClassificationData.fromFiles({ train: { files, targets: ["red", "blue"] } });
    const error = await errorOf(new Trainer(quiet).fit(makeTask(data), data));
    expect(error).toMatchObject({ code: "ERR_IMAGE_MISSING", path: files[1] });
  });

  it("warns of a class folder without pictures, and refuses a folder without any", async () => {
    const folder = await makeClasses();
    mkdirSync(join(folder, "green"));
    const data = await ImageClassificationData.fromFolders({ train: folder });
    expect(data.labels).toEqual(["blue", "red"]);
    expect(data.warnings.join()).toContain('"green"');
    const empty = await mkdtemp(join(tmpdir(), "kindling-"));
    mkdirSync(join(empty, "green"));
    const error = await errorOf(ImageClassificationData.fromFolders({ train: empty }));
    expect(error).toMatchObject({ code: "ERR_NO_IMAGES", path: empty });
  });

  it("keeps the one picture of a class in the training part", async () => {
    const folder = await makeClasses();
    await writePlain(join(folder, "green", "only.jpg"), [20, 200, 20]);
    const data = await ImageClassificationData.fromFolders({ train: folder, valSplit: 0.25 });
    expect(data.counts.train).toMatchObject({ green: 1 });
    expect(data.counts.val).toMatchObject({ green: 0 });
    expect(data.warnings.join()).toContain("green");
  });

  it("takes files of the same name in two classes for two pictures", async () => {
    const folder = await makeClasses();
    const data = await ImageClassificationData.fromFolders({ train: folder });
    expect(data.counts.train).toEqual({ blue: 4, red: 4 });
    expect(data.samples("train").filter(({ image }) => basename(image as string) === "0.jpg")).toHaveLength(
      2,
    );
  });
});
