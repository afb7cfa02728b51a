/** Reads the annotations of all parts, and compares them with their pictures. */
import { LABELED_PARTS } from "../labeled_samples.js";
import type { AnnotationScan } from "./annotations/annotated_image.js";
import { checkAnnotations } from "./annotations/check.js";
import type { ObjectDetectionDataOptions } from "./detection_data_options.js";
import {
  collectLabels,
  problemsError,
  type CheckedParts,
  type LabeledPart,
  type SkippedAnnotation,
} from "./detection_parts.js";

/** What the annotations say, before splits and without the numbers of classes. */
export interface CollectedAnnotations {
  parts: CheckedParts;
  skipped: readonly SkippedAnnotation[];
  /** Those that are asked for, those of the format's own list, or those of the training part. */
  labels: readonly string[];
}

/** @throws DataError listing what cannot be used, unless it is to be left out */
export async function collectAnnotations<Part>(
  options: ObjectDetectionDataOptions & Partial<Record<LabeledPart, Part>>,
  read: (part: Part, name: LabeledPart) => Promise<AnnotationScan>,
): Promise<CollectedAnnotations> {
  const parts: CheckedParts = {};
  const skipped: SkippedAnnotation[] = [];
  let listed: readonly string[] | undefined;
  for (const part of LABELED_PARTS) {
    const given = options[part];
    if (given === undefined) continue;
    const scan = await read(given, part);
    const checked = await checkAnnotations(scan.images, options);
    parts[part] = checked.images;
    skipped.push(...[...scan.problems, ...checked.problems].map((error) => ({ part, error })));
    listed ??= scan.labels;
  }
  if (skipped.length > 0 && options.onBadSample !== "skip")
    throw problemsError(skipped.map(({ error }) => error));
  const labels = options.labels ?? listed ?? collectLabels(parts.train ?? parts.val ?? parts.test ?? []);
  return { parts, skipped, labels };
}
