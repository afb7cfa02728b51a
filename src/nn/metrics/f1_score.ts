/** F1Score: the harmonic mean of precision and recall. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfusionMatrix } from "./confusion_matrix.js";
import type { SummableMetric } from "./metric.js";
import { MultiLabelCounts, type LabelCounts } from "./multi_label.js";

/** How the scores of the classes become one. */
export type F1Average = "macro" | "micro" | "none";

/** Options of `F1Score`. */
export interface F1ScoreOptions<Average extends F1Average = F1Average> {
  /** Classes, or labels where `multiLabel` is set. */
  numClasses: number;
  /** The mean over the classes, one score from all counts together, or one score a class. Default: `macro`. */
  average?: Average;
  /** Every sample has any number of labels. Default: false. */
  multiLabel?: boolean;
  /** Multi-label: probability above which a label is predicted. Default: 0.5. */
  threshold?: number;
}

type Result<Average extends F1Average> = Average extends "none" ? number[] : number;

/**
 * 2 · TP / (2 · TP + FP + FN), 0 where that is 0 / 0. As in torchmetrics, the single-label macro mean leaves out classes
 * that were neither a target nor a prediction.
 */
export class F1Score<Average extends F1Average = "macro"> implements SummableMetric<Result<Average>> {
  readonly #average: F1Average;
  readonly #labels: MultiLabelCounts | undefined;
  readonly #matrix: ConfusionMatrix;

  constructor({ numClasses, average, multiLabel = false, threshold = 0.5 }: F1ScoreOptions<Average>) {
    this.#average = average ?? "macro";
    this.#matrix = new ConfusionMatrix({ numClasses });
    if (multiLabel) this.#labels = new MultiLabelCounts(numClasses, threshold);
  }

  /**
   * @param preds scores [batch, classes] or int32 class indices [batch]; multi-label: probabilities [batch, labels]
   * @param target int32 class indices [batch]; multi-label: zeros and ones [batch, labels]
   * @throws ConfigurationError if the shapes do not fit
   */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    (this.#labels ?? this.#matrix).update(preds, target);
  }

  /** From 0 to 1: a number, or with `average: "none"` one for each class. */
  async compute(): Promise<Result<Average>> {
    return this.computeFrom(await this.sums());
  }

  async sums(): Promise<readonly number[]> {
    return (this.#labels ?? this.#matrix).sums();
  }

  computeFrom(sums: readonly number[]): Result<Average> {
    const counts = this.#labels?.countsOf(sums) ?? countsOf(this.#matrix.computeFrom(sums));
    return average(counts, this.#average, this.#labels !== undefined) as Result<Average>;
  }

  reset(): void {
    this.#matrix.reset();
    this.#labels?.reset();
  }
}

type Counts = Omit<LabelCounts, "trueNegatives">;

function average(counts: Counts[], kind: F1Average, multiLabel: boolean): number | number[] {
  if (kind === "none") return counts.map(f1);
  if (kind === "micro") {
    return f1({
      truePositives: sum(counts.map((count) => count.truePositives)),
      falsePositives: sum(counts.map((count) => count.falsePositives)),
      falseNegatives: sum(counts.map((count) => count.falseNegatives)),
    });
  }
  const seen = multiLabel ? counts : counts.filter((count) => sum(Object.values(count)) > 0);
  return seen.length === 0 ? 0 : sum(seen.map(f1)) / seen.length;
}

function f1({ truePositives, falsePositives, falseNegatives }: Counts): number {
  const weight = 2 * truePositives + falsePositives + falseNegatives;
  return weight === 0 ? 0 : (2 * truePositives) / weight;
}

function countsOf(matrix: number[][]): Counts[] {
  return matrix.map((row, label) => {
    const truePositives = row[label]!;
    return {
      truePositives,
      falsePositives: sum(matrix.map((other) => other[label]!)) - truePositives,
      falseNegatives: sum(row) - truePositives,
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
