/** From what a detector of queries says to the things that it finds (Carion et al., 2020, arXiv:2005.12872). */
import type { Size } from "../../../data/index.js";
import { boxFrom, nms } from "../boxes.js";
import type { Candidates, DetectionOptions } from "../decode_detections.js";

/** What a model says of one picture. */
export interface QueryOutput {
  /** [queries, outputs]: the classes, and in softmax that there is nothing as the last. */
  logits: Float32Array;
  /** Middle, width and height as shares of the picture, [queries, 4]. */
  boxes: Float32Array;
  /** How scores come of the logits: one thing a query, or one for each class. */
  scoring: "softmax" | "sigmoid";
}

const DEFAULT_THRESHOLD = 0.3;
const DEFAULT_MAX_DETECTIONS = 100;

/**
 * Queries are trained to find each thing once: nothing is suppressed unless `iou` is given.
 *
 * @returns boxes in pixels of the picture, cut off at its edges, best first
 */
export function selectQueries(
  { logits, boxes, scoring }: QueryOutput,
  { width, height }: Size,
  { threshold = DEFAULT_THRESHOLD, iou, maxDetections = DEFAULT_MAX_DETECTIONS }: DetectionOptions,
): Candidates {
  const queries = boxes.length / 4;
  const numOutputs = logits.length / queries;
  const scored =
    scoring === "softmax" ? softmaxScores(logits, numOutputs) : sigmoidScores(logits, numOutputs);
  const found = scored
    .sort((a, b) => b.score - a.score)
    .slice(0, queries)
    .filter(({ score }) => score >= threshold);
  const corners = found.flatMap(({ query }) => {
    const [x, y, w, h] = boxes.subarray(4 * query, 4 * query + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const box = boxFrom([x * width, y * height, w * width, h * height], "cxcywh");
    const within = (edge: number, most: number) => Math.min(most, Math.max(0, edge));
    return [
      within(box.xmin, width),
      within(box.ymin, height),
      within(box.xmax, width),
      within(box.ymax, height),
    ];
  });
  const all: Candidates = {
    boxes: Float32Array.from(corners),
    scores: Float32Array.from(found, ({ score }) => score),
    classIds: Int32Array.from(found, ({ classId }) => classId),
  };
  const kept =
    iou === undefined
      ? Array.from(all.scores.subarray(0, maxDetections), (_, i) => i)
      : nms(all.boxes, all.scores, iou, { classes: all.classIds, limit: maxDetections });
  return {
    boxes: Float32Array.from(kept.flatMap((i) => [...all.boxes.subarray(4 * i, 4 * i + 4)])),
    scores: Float32Array.from(kept, (i) => all.scores[i]!),
    classIds: Int32Array.from(kept, (i) => all.classIds[i]!),
  };
}

interface Scored {
  query: number;
  classId: number;
  score: number;
}

/** The best class of each query, whose probability there being nothing takes part in. */
function softmaxScores(logits: Float32Array, numOutputs: number): Scored[] {
  return Array.from({ length: logits.length / numOutputs }, (_, query) => {
    const row = logits.subarray(query * numOutputs, (query + 1) * numOutputs);
    const largest = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    const classes = row.subarray(0, numOutputs - 1);
    const best = Math.max(...classes);
    return { query, classId: classes.indexOf(best), score: Math.exp(best - largest) / sum };
  });
}

function sigmoidScores(logits: Float32Array, numOutputs: number): Scored[] {
  return Array.from(logits, (logit, i) => ({
    query: Math.floor(i / numOutputs),
    classId: i % numOutputs,
    score: 1 / (1 + Math.exp(-logit)),
  }));
}
