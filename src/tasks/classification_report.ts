/** What a classifier's predictions are worth, once they are all there. */
import { precisionRecallCurve, type ClassCurve } from "./precision_recall.js";

/** Precision, recall and F1 of one class. */
export interface ClassReport {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  /** Samples of the class. */
  support: number;
}

/** A sample that the classifier finds unlikely as it is labelled. */
export interface HardSample<Sample> {
  sample: Sample;
  /** Its number in the part. */
  index: number;
  target: string;
  prediction: string;
  /** Cross-entropy in nats; with multi-label the mean over the labels. */
  loss: number;
}

/** Predictions of about the same confidence. */
export interface CalibrationBin {
  /** The mean of what they say. */
  confidence: number;
  /** The share of them that is right. */
  accuracy: number;
  /** Predictions in the bin; with multi-label one for each label of a sample. */
  count: number;
}

/** What predictions are worth. Scores whose denominator is 0 are 0, as in scikit-learn. */
export interface ClassificationReport<Sample> {
  /** Share of samples that are right; with multi-label share of labels. */
  accuracy: number;
  /** Mean of the classes' F1, of those that occur as a target or a prediction. */
  macroF1: number;
  /** F1 of all counts together; for single labels it equals the accuracy. */
  microF1: number;
  perClass: ClassReport[];
  /** `confusionMatrix[target][prediction]`; empty with multi-label, and for more than 1,000 classes. */
  confusionMatrix: number[][];
  /**
   * Expected calibration error (Guo et al., 2017, https://arxiv.org/abs/1706.04599): the mean distance between confidence
   * and accuracy over 15 bins of confidence, weighted by their samples.
   */
  calibrationError: number;
  /** The bins of the calibration error that have predictions, the least confident first. */
  calibration: CalibrationBin[];
  /** Precision over recall of each class against all others; empty for more than 1,000 classes. */
  curves: ClassCurve[];
  /** Cross-entropy in nats, the mean over all samples. */
  loss: number;
  /** The samples with the largest loss, largest first: at most 50. */
  hardest: HardSample<Sample>[];
}

interface Outcome<Sample> {
  samples: readonly Sample[];
  logits: readonly ArrayLike<number>[];
  /** The classes of each sample. */
  classes: readonly (readonly string[])[];
  labels: readonly string[];
  multiLabel: boolean;
}

const BINS = 15;
const HARDEST = 50;
/** Above that many classes a matrix and curves are more than anybody looks at. */
const MOST_CLASSES = 1000;
const THRESHOLD = 0.5;

interface Judged {
  loss: number;
  wanted: number[];
  predicted: number[];
  probabilities: number[];
  /** The probability of what was said, and whether it was right: one a sample, or with multi-label one a label. */
  confidences: [confidence: number, isRight: boolean][];
}

export function classificationReport<Sample>(outcome: Outcome<Sample>): ClassificationReport<Sample> {
  const { samples, logits, classes, labels, multiLabel } = outcome;
  const ids = new Map(labels.map((label, id) => [label, id]));
  const judge = multiLabel ? judgeLabels : judgeClass;
  const judged = logits.map((row, i) =>
    judge(
      row,
      classes[i]!.map((name) => ids.get(name)!),
    ),
  );
  const counts = labels.map(() => ({ right: 0, wanted: 0, predicted: 0 }));
  for (const { wanted, predicted } of judged) {
    for (const id of wanted) counts[id]!.wanted++;
    for (const id of predicted) counts[id]!.predicted++;
    for (const id of predicted) if (wanted.includes(id)) counts[id]!.right++;
  }
  const perClass = labels.map((label, id): ClassReport => {
    const { right, wanted, predicted } = counts[id]!;
    return {
      label,
      precision: ratio(right, predicted),
      recall: ratio(right, wanted),
      f1: ratio(2 * right, wanted + predicted),
      support: wanted,
    };
  });
  const seen = perClass.filter((_, id) => counts[id]!.wanted + counts[id]!.predicted > 0);
  const confidences = judged.flatMap((sample) => sample.confidences);
  const bins = calibrationBins(confidences);
  return {
    accuracy: ratio(confidences.filter(([, isRight]) => isRight).length, confidences.length),
    macroF1: ratio(sum(seen.map(({ f1 }) => f1)), seen.length),
    microF1: ratio(
      2 * sum(counts.map(({ right }) => right)),
      sum(counts.map(({ wanted, predicted }) => wanted + predicted)),
    ),
    perClass,
    confusionMatrix: multiLabel || labels.length > MOST_CLASSES ? [] : confusionMatrix(judged, labels.length),
    calibrationError: calibrationError(bins, confidences.length),
    calibration: bins,
    curves: labels.length > MOST_CLASSES ? [] : labels.map((_, id) => curveOf(judged, id)),
    loss: ratio(sum(judged.map(({ loss }) => loss)), judged.length),
    hardest: hardestOf(samples, judged, labels),
  };
}

function judgeClass(logits: ArrayLike<number>, wanted: number[]): Judged {
  const highest = Math.max(...Array.from(logits));
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = sum(exponentials);
  const best = exponentials.indexOf(1);
  return {
    loss: Math.log(total) + highest - logits[wanted[0]!]!,
    wanted,
    predicted: [best],
    probabilities: exponentials.map((exponential) => exponential / total),
    confidences: [[1 / total, best === wanted[0]]],
  };
}

function judgeLabels(logits: ArrayLike<number>, wanted: number[]): Judged {
  const probabilities = Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
  const predicted = probabilities.flatMap((probability, id) => (probability >= THRESHOLD ? [id] : []));
  let loss = 0;
  const confidences = probabilities.map((probability, id): [number, boolean] => {
    const isWanted = wanted.includes(id);
    const signed = isWanted ? -logits[id]! : logits[id]!;
    loss += Math.max(signed, 0) + Math.log1p(Math.exp(-Math.abs(signed)));
    return [Math.max(probability, 1 - probability), isWanted === probability >= THRESHOLD];
  });
  return { loss: loss / logits.length, wanted, predicted, probabilities, confidences };
}

function confusionMatrix(judged: readonly Judged[], size: number): number[][] {
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (const { wanted, predicted } of judged) matrix[wanted[0]!]![predicted[0]!]!++;
  return matrix;
}

function calibrationBins(confidences: readonly [confidence: number, isRight: boolean][]): CalibrationBin[] {
  const bins = Array.from({ length: BINS }, () => ({ confidence: 0, right: 0, count: 0 }));
  for (const [confidence, isRight] of confidences) {
    const bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))]!;
    bin.confidence += confidence;
    bin.count++;
    if (isRight) bin.right++;
  }
  return bins
    .filter(({ count }) => count > 0)
    .map(({ confidence, right, count }) => ({
      confidence: confidence / count,
      accuracy: right / count,
      count,
    }));
}

function calibrationError(bins: readonly CalibrationBin[], total: number): number {
  return ratio(
    sum(bins.map(({ confidence, accuracy, count }) => count * Math.abs(confidence - accuracy))),
    total,
  );
}

function curveOf(judged: readonly Judged[], id: number): ClassCurve {
  return precisionRecallCurve(
    judged.map(({ probabilities }) => probabilities[id]!),
    judged.map(({ wanted }) => wanted.includes(id)),
  );
}

function hardestOf<Sample>(
  samples: readonly Sample[],
  judged: readonly Judged[],
  labels: readonly string[],
): HardSample<Sample>[] {
  const names = (ids: readonly number[]) => ids.map((id) => labels[id]!).join(", ");
  const order = judged.map((_, index) => index).sort((a, b) => judged[b]!.loss - judged[a]!.loss || a - b);
  return order.slice(0, HARDEST).map((index) => {
    const { wanted, predicted, loss } = judged[index]!;
    return { sample: samples[index]!, index, target: names(wanted), prediction: names(predicted), loss };
  });
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
