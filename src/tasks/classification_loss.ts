/** The loss of a classifier, and the options that shape it. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { binaryCrossEntropyWithLogits, crossEntropy, focalLoss } from "../nn/index.js";

export interface ClassificationLossOptions {
  /** Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0. */
  labelSmoothing?: number;
  /**
   * The weight of each class in the loss, in the order of `labels`; with `multiLabel`, of each label's positive targets.
   * `"balanced"`: samples / (classes · samples of the class), by the training part of `data`. Default: equal.
   */
  classWeights?: readonly number[] | "balanced";
  /**
   * Lets samples that are right already count less: the exponent of 1 - p in the focal loss (Lin et al., 2017). Default:
   * 0, which is cross-entropy.
   */
  focalGamma?: number;
}

export interface ClassificationLossRules {
  multiLabel: boolean;
  labelSmoothing: number;
  classWeights: readonly number[] | undefined;
  focalGamma: number;
}

export function classificationLoss(
  logits: tf.Tensor,
  target: tf.Tensor,
  { multiLabel, labelSmoothing, classWeights, focalGamma }: ClassificationLossRules,
): tf.Scalar {
  const weight = classWeights && { weight: classWeights };
  if (focalGamma > 0) return focalLoss(logits, target, { gamma: focalGamma, ...weight });
  if (!multiLabel) return crossEntropy(logits, target, { labelSmoothing, ...weight });
  return binaryCrossEntropyWithLogits(logits, target, classWeights && { posWeight: classWeights });
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkLossOptions(
  { labelSmoothing = 0, classWeights, focalGamma = 0 }: ClassificationLossOptions,
  numClasses: number,
  multiLabel: boolean,
): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_CLASSIFIER_OPTION", message);
  };
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    refuse(`\`labelSmoothing\` is from 0 to below 1, not ${labelSmoothing}.`);
  }
  if (!(focalGamma >= 0)) refuse(`\`focalGamma\` is a number from 0 up, not ${focalGamma}.`);
  if (labelSmoothing > 0 && (focalGamma > 0 || multiLabel)) {
    refuse(
      "`labelSmoothing` goes with cross-entropy alone: leave out `focalGamma`, and `multiLabel` likewise.",
    );
  }
  if (typeof classWeights === "string" ? classWeights !== "balanced" : false) {
    refuse(`\`classWeights\` is a list or "balanced", not ${JSON.stringify(classWeights)}.`);
  }
  if (typeof classWeights === "object") {
    if (classWeights.length !== numClasses) {
      refuse(`\`classWeights\` holds ${classWeights.length} weights for ${numClasses} classes.`);
    }
    const odd = classWeights.find((weight) => !(weight >= 0));
    if (odd !== undefined) refuse(`\`classWeights\` are numbers from 0 up, not ${odd}.`);
  }
}

/** As scikit-learn's `class_weight="balanced"`; a class without samples weighs 0. */
export function balancedWeights(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (count === 0 ? 0 : total / (counts.length * count)));
}
