/** From annotations to the parts of a detection data set: classes, splits, and what is to be said of them. */
import { compareNaturally } from "../../data/index.js";
import { ConfigurationError, DataError, describeChoices } from "../../errors.js";
import { nameOfSource } from "../image/image_sources.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import type { CheckedImage } from "./annotations/check.js";
import type { DetectionRecord } from "./detection_dataset.js";

export type LabeledPart = (typeof LABELED_PARTS)[number];

/** The parts of a data set. */
export type DetectionPart = LabeledPart | "predict";

export type CheckedParts = Partial<Record<LabeledPart, CheckedImage[]>>;

/** A picture or box that was left out or cut off, and why. */
export interface SkippedAnnotation {
  part: LabeledPart;
  error: DataError;
}

/** Boxes by part and class. */
export type BoxCounts = Partial<Record<LabeledPart, Record<string, number>>>;

const LISTED = 10;
/** A class in fewer pictures than this share of all is shown more often. */
const RARE = 0.3;

/** Every class that occurs, in natural order. */
export function collectLabels(images: readonly CheckedImage[]): string[] {
  return [...new Set(images.flatMap(({ boxes }) => boxes.map(({ label }) => label)))].sort(compareNaturally);
}

/** @throws ConfigurationError `ERR_LABELS` for labels that do not name each class once */
export function checkLabels(labels: readonly string[] | undefined): void {
  if (labels === undefined || (labels.length > 0 && new Set(labels).size === labels.length)) return;
  throw new ConfigurationError(
    "ERR_LABELS",
    `\`labels\` must name each class once, and at least one; they are ${JSON.stringify(labels)}.`,
  );
}

/** Leaves out boxes of classes that are not among the labels. @returns what is left, and an error for each box that is not */
export function knownBoxes(
  images: readonly CheckedImage[],
  part: LabeledPart,
  labels: readonly string[],
): { images: CheckedImage[]; problems: DataError[] } {
  const known = new Set(labels);
  const problems: DataError[] = [];
  const kept = images.map((image, i) => {
    const boxes = image.boxes.filter(({ label }) => {
      if (known.has(label)) return true;
      const path = image.annotation ?? nameOfSource(image.image, i);
      problems.push(
        new DataError(
          "ERR_UNKNOWN_CLASS",
          `${path} in \`${part}\` has a box of the class ${JSON.stringify(label)}, which is not in the training part or in ` +
            `\`labels\`. ${describeChoices(label, labels)}`,
          { path },
        ),
      );
      return false;
    });
    return { ...image, boxes };
  });
  return { images: kept, problems };
}

/** With the numbers of the classes, which must be among the labels. */
export function recordOf(
  { image, boxes, width, height }: CheckedImage,
  labels: readonly string[],
): DetectionRecord {
  const ids = new Map(labels.map((label, id) => [label, id]));
  return {
    image,
    width,
    height,
    boxes: boxes.map(({ label, ...box }) => ({ ...box, classId: ids.get(label)! })),
  };
}

/**
 * @throws DataError `ERR_NO_IMAGES` for a part without pictures, `ERR_NO_BOXES` where a training part has pictures, and not one
 *   box in them
 */
export function requirePictures(
  records: Partial<Record<DetectionPart, readonly DetectionRecord[]>>,
  skipped: readonly SkippedAnnotation[],
): void {
  for (const [part, { length }] of Object.entries(records)) {
    if (length > 0) continue;
    const first = skipped.find((annotation) => annotation.part === part)?.error;
    throw new DataError(
      "ERR_NO_IMAGES",
      `No picture of \`${part}\` ${first === undefined ? "was given." : `can be used. The first: ${first.message}`}`,
      { cause: first },
    );
  }
  const { train } = records;
  if (train === undefined || train.some(({ boxes }) => boxes.length > 0)) return;
  throw new DataError(
    "ERR_NO_BOXES",
    `None of the ${train.length} training pictures has a box: there is nothing to learn. Check that the annotations belong ` +
      "to these pictures.",
  );
}

/** How often each picture is drawn: the square root of RARE over the share of pictures with its rarest class, at least 1. */
export function repeatFactors(records: readonly DetectionRecord[], numClasses: number): number[] {
  const withClass = new Array<number>(numClasses).fill(0);
  const classes = records.map(({ boxes }) => [...new Set(boxes.map(({ classId }) => classId))]);
  for (const classId of classes.flat()) withClass[classId]!++;
  const factors = withClass.map((count) => Math.max(1, Math.sqrt((RARE * records.length) / count)));
  return classes.map((ids) => Math.max(1, ...ids.map((id) => factors[id]!)));
}

/** What a user should know about the data, a sentence each. */
export function warningsOf(counts: BoxCounts, skipped: readonly SkippedAnnotation[]): string[] {
  const warnings = LABELED_PARTS.flatMap((part) =>
    Object.entries(counts[part] ?? {}).flatMap(([label, count]) =>
      count > 0 ? [] : [`No picture in \`${part}\` has a box of the class ${JSON.stringify(label)}.`],
    ),
  );
  if (skipped.length === 0) return warnings;
  const first = skipped[0]!.error.message;
  return [...warnings, `${skipped.length} pictures or boxes were left out or cut off. The first: ${first}`];
}

/** One error for everything that cannot be used. */
export function problemsError(problems: readonly DataError[]): DataError {
  const first = problems[0]!;
  const { code, path, row } = first;
  const list = problems.slice(0, LISTED).map(({ message }) => `  ${message}`);
  if (problems.length > LISTED) list.push(`  and ${problems.length - LISTED} more`);
  const what = problems.length === 1 ? "One picture or box" : `${problems.length} pictures or boxes`;
  return new DataError(
    code,
    `${what} cannot be used. Mend them, or leave them out with onBadSample: "skip".\n${list.join("\n")}`,
    { ...(path !== undefined && { path }), ...(row !== undefined && { row }), cause: first },
  );
}
