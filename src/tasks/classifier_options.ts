/** What every classifier can be told, and what of it makes no sense. */
import { ConfigurationError } from "../errors.js";
import { checkLossOptions, type ClassificationLossOptions } from "./classification_loss.js";

/** Options of every classifier. */
export interface ClassifierOptions<Data> extends ClassificationLossOptions {
  /** Where `labels` and `multiLabel` come from, unless they are given. */
  data?: Data;
  /** The names of the classes, in the order of their ids. */
  labels?: readonly string[];
  /** Whether a sample may have several classes, or none. Default: as the data say, else false. */
  multiLabel?: boolean;
  /** AdamW's rate after warm-up. Default: what suits the backbone. */
  learningRate?: number;
  /** Default: what suits the backbone. */
  weightDecay?: number;
}

/**
 * @param task the name of its class
 * @throws ConfigurationError `ERR_CLASSIFIER_OPTION`
 */
export function checkClassifierOptions(
  task: string,
  options: ClassifierOptions<{ labels: readonly string[]; multiLabel: boolean; counts: { train?: unknown } }>,
): void {
  const labels = options.labels ?? options.data?.labels;
  if (labels === undefined) return refuseOption(`${task} needs \`data\` or \`labels\` to know its classes.`);
  const multiLabel = options.multiLabel ?? options.data?.multiLabel ?? false;
  if (labels.length < (multiLabel ? 1 : 2)) {
    refuseOption(
      `A classifier needs at least two classes to choose from; it was given ${JSON.stringify(labels)}.`,
    );
  }
  if (new Set(labels).size !== labels.length)
    refuseOption(`The labels repeat themselves: ${labels.join(", ")}.`);
  checkLossOptions(options, labels.length, multiLabel);
  if (options.classWeights === "balanced" && options.data?.counts.train === undefined) {
    refuseOption('`classWeights: "balanced"` needs `data` with a training part.');
  }
  checkOptimizerOptions(options);
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkOptimizerOptions({
  learningRate,
  weightDecay,
}: {
  learningRate?: number;
  weightDecay?: number;
}): void {
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0))
      refuseOption(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function refuseOption(message: string): never {
  throw new ConfigurationError("ERR_CLASSIFIER_OPTION", message);
}
