/** Reads the annotations of all parts, and compares them with their pictures. */
import { ConfigurationError } from "../../errors.js";
import { checkDataOptions } from "../check_data_options.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import type { AnnotationScan } from "./annotations/annotated_image.js";
import { checkAnnotations } from "./annotations/check.js";
import type { ObjectDetectionDataOptions } from "./detection_data_options.js";
import {
  checkLabels,
  collectLabels,
  knownBoxes,
  problemsError,
  type CheckedParts,
  type DetectionPart,
  type LabeledPart,
  type SkippedAnnotation,
} from "./detection_parts.js";
import { checkImageSize } from "./network/points.js";

/** What the annotations say, before splits and without the numbers of classes. */
export interface CollectedAnnotations {
  parts: CheckedParts;
  skipped: readonly SkippedAnnotation[];
  /** Those that are asked for, those of the format's own list, or those of the training part. */
  labels: readonly string[];
}

/**
 * @throws DataError listing what cannot be used, unless it is to be left out
 * @throws ConfigurationError `ERR_PARTS` where there is nothing to read, `ERR_LABELS`, `ERR_IMAGE_SIZE`; as `checkDataOptions` does
 */
export async function collectAnnotations<Part>(
  options: ObjectDetectionDataOptions & Partial<Record<LabeledPart, Part>>,
  read: (part: Part, name: LabeledPart) => Promise<AnnotationScan>,
): Promise<CollectedAnnotations> {
  checkDataOptions(options);
  if (options.imageSize !== undefined) checkImageSize(options.imageSize);
  checkLabels(options.labels);
  requirePart(options);
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
  const labels = options.labels ?? listed ?? collectLabels(parts.train ?? parts.val ?? parts.test ?? []);
  for (const part of LABELED_PARTS) {
    const images = parts[part];
    if (images === undefined) continue;
    const known = knownBoxes(images, part, labels);
    parts[part] = known.images;
    skipped.push(...known.problems.map((error) => ({ part, error })));
  }
  if (skipped.length > 0 && options.onBadSample !== "skip")
    throw problemsError(skipped.map(({ error }) => error));
  return { parts, skipped, labels };
}

function requirePart(options: Partial<Record<DetectionPart, unknown>>): void {
  if ([...LABELED_PARTS, "predict" as const].some((part) => options[part] !== undefined)) return;
  throw new ConfigurationError(
    "ERR_PARTS",
    "These data have no part: give at least one of `train`, `val`, `test` and `predict`.",
  );
}
