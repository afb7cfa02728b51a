/** Pictures with their true boxes and what was found in them, in a grid. */
import { contactSheet, type ContactSheetOptions } from "../image/contact_sheet.js";
import { nameDetections, type Candidates, type DetectionOptions } from "./decode_detections.js";
import { DetectionConfusion } from "./detection_confusion.js";
import type { DetectionRecord } from "./detection_dataset.js";
import { truthOf } from "./detection_evaluation.js";
import type { LabeledPart } from "./detection_parts.js";
import { drawDetections } from "./draw_detections.js";

/** Options of `ObjectDetector.contactSheet`. */
export interface DetectionSheetOptions extends ContactSheetOptions, DetectionOptions {
  /** Default: `test`. */
  part?: LabeledPart;
  /** The most pictures, taken at equal distances. Default: 24. */
  count?: number;
}

interface Found {
  records: readonly DetectionRecord[];
  /** In the pixels of each picture. */
  detected: readonly Candidates[];
  labels: readonly string[];
}

/** Letters are drawn on whole pictures, which the sheet makes smaller. */
const ENLARGED = 1.3;
const TILE = 320;

/** As PNG. A picture is right where all is found and nothing else, at an overlap of one half. */
export async function detectionSheet(
  { records, detected, labels }: Found,
  { tileSize = TILE, columns, title }: ContactSheetOptions,
): Promise<Buffer> {
  const items = await Promise.all(
    records.map(async (record, i) => {
      const boxes = nameDetections(detected[i]!, labels);
      const truth = record.boxes.filter(({ crowd }) => crowd !== true);
      const { right, wrong } = count(detected[i]!, record, labels.length);
      return {
        image: await drawDetections(record.image, boxes, { truth, scale: ENLARGED }),
        caption: [`${right} of ${truth.length} found`, `${wrong} wrong`],
        correct: right === truth.length && wrong === 0,
      };
    }),
  );
  return contactSheet(items, {
    tileSize,
    ...(columns && { columns }),
    ...(title !== undefined && { title }),
  });
}

/** At most so many of a list, at equal distances. */
export function spread<Item>(items: readonly Item[], count: number): Item[] {
  const taken = Math.min(items.length, count);
  return Array.from({ length: taken }, (_, i) => items[Math.floor((i * items.length) / taken)]!);
}

function count(detected: Candidates, record: DetectionRecord, numClasses: number) {
  const { matrix } = new DetectionConfusion(numClasses, 0).update(detected, truthOf(record));
  const all = matrix.flatMap((row) => row.slice(0, numClasses)).reduce((sum, value) => sum + value, 0);
  const right = matrix.reduce((sum, row, id) => sum + (id < numClasses ? row[id]! : 0), 0);
  return { right, wrong: all - right };
}
