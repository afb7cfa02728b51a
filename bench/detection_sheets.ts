/** Contact sheets of held-out pictures: true boxes in dashed lines, and what a detector finds in solid ones. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { drawDetections, type ImageSource, type ObjectDetectionData, type ObjectDetector } from "kindling";

const COLUMNS = 5;
const ROWS = 4;
/** Pixels of a picture's place, and what is left free around it. */
const CELL = 360;
const GAP = 4;

/** Writes the pictures of the `test` part, so many a file, as `FOLDER/sheet-1.jpg` and so on. */
export async function drawSheets(
  task: ObjectDetector,
  data: ObjectDetectionData,
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const records = data.records("test");
  const found = await task.predict(records.map(({ image }) => image));
  const perSheet = COLUMNS * ROWS;
  for (let start = 0; start < records.length; start += perSheet) {
    const cells = records.slice(start, start + perSheet).map(async ({ image, boxes }, i) => {
      const truth = boxes.map(({ classId, ...box }) => ({ box, classId, label: data.labels[classId]! }));
      const whole = await drawDetections(image, truth, { dashed: true });
      const drawn: ImageSource = await drawDetections(whole, found[start + i]!);
      const input = await sharp(drawn).resize({ width: CELL, height: CELL, fit: "inside" }).toBuffer();
      const place = { left: (i % COLUMNS) * (CELL + GAP), top: Math.floor(i / COLUMNS) * (CELL + GAP) };
      return { input, ...place };
    });
    const canvas = { width: COLUMNS * (CELL + GAP), height: ROWS * (CELL + GAP) };
    const path = join(folder, `sheet-${start / perSheet + 1}.jpg`);
    await sharp({ create: { ...canvas, channels: 3, background: "#fff" } })
      .composite(await Promise.all(cells))
      .jpeg({ quality: 88 })
      .toFile(path);
  }
}
