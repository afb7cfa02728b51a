/** What every classifier is: a backbone with a linear head, its loss, its metrics, its recipe, its report. */
import * as tf from "@tensorflow/tfjs-core";
import type { BaseFinetuning, Finetunable, OptimizerConfiguration } from "../core/index.js";
import { ConfigurationError } from "../errors.js";
import { Accuracy, F1Score, type AnyModule, type Linear } from "../nn/index.js";
import { balancedWeights, classificationLoss } from "./classification_loss.js";
import { classificationReport, type ClassificationReport } from "./classification_report.js";
import { checkClassifierOptions, type ClassifierOptions } from "./classifier_options.js";
import type { PartCounts } from "./describe_parts.js";
import { formatOutput, type ClassifierOutput, type OutputOptions } from "./outputs.js";
import { backboneAndHead } from "./recipe.js";
import { Task } from "./task.js";

/** A batch on the device. */
export interface ClassifierBatch<Input> {
  input: Input;
  /** int32 [batch], or with multi-label float32 [batch, classes]. */
  target: tf.Tensor;
}

/** How a classifier learns unless the user says otherwise. */
export interface ClassifierRecipe {
  /** AdamW's rate after warm-up. */
  learningRate: number;
  weightDecay: number;
  /** Whether the backbone starts from learned weights: it then trains ten times slower than the new head. */
  pretrained: boolean;
}

/** What a classifier asks its data. */
export interface ClassifierData {
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly counts: PartCounts;
}

/** What a report is made of. */
interface ReportedSamples<Sample> {
  samples: readonly Sample[];
  classes: readonly (readonly string[])[];
}

/** F1 is logged for at most this many classes: it counts every class against every other. */
const MOST_CLASSES_WITH_F1 = 1000;
const LISTED = 20;

export abstract class Classifier<Input, Sample> extends Task<Input> implements Finetunable {
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  /** The backbone where it can train. */
  abstract readonly backbone: AnyModule | undefined;
  abstract readonly head: Linear;
  override monitor = { metric: "val_accuracy", mode: "max" as const };
  readonly #options: ClassifierOptions<ClassifierData>;
  readonly #classWeights: readonly number[] | undefined;
  readonly #metrics: Record<"val" | "test", { accuracy: Accuracy; f1: F1Score | undefined }>;
  #frozen = false;

  /** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
  protected constructor(options: ClassifierOptions<ClassifierData>) {
    super();
    checkClassifierOptions(this.constructor.name, options);
    const { data, classWeights } = options;
    this.#options = options;
    this.labels = [...(options.labels ?? data!.labels)];
    this.multiLabel = options.multiLabel ?? data?.multiLabel ?? false;
    this.#classWeights =
      classWeights === "balanced"
        ? balancedWeights(this.labels.map((label) => data!.counts.train![label] ?? 0))
        : classWeights;
    this.#metrics = { val: this.#newMetrics(), test: this.#newMetrics() };
  }

  /** What suits the backbone. */
  protected abstract recipe(): ClassifierRecipe;

  /** The share of targets that is spread over all classes where that can be and the user says nothing. */
  protected get defaultLabelSmoothing(): number {
    return 0;
  }

  /** Logits of samples, [classes] each, in their order. */
  protected abstract logitsOf(samples: readonly Sample[]): Promise<ArrayLike<number>[]>;

  /** What of a batch is the network's input. Default: its `input`. */
  protected inputOf(batch: unknown): Input {
    return (batch as ClassifierBatch<Input>).input;
  }

  /** What of a batch is learned. Default: its `target`. */
  protected targetOf(batch: unknown): tf.Tensor {
    return (batch as ClassifierBatch<Input>).target;
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const loss = this.#loss(this.forward(this.inputOf(batch)), this.targetOf(batch));
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep(batch: unknown): void {
    this.#evaluate(batch, "val");
  }

  override testStep(batch: unknown): void {
    this.#evaluate(batch, "test");
  }

  override predictStep(batch: unknown): tf.Tensor {
    return this.forward(this.inputOf(batch));
  }

  override configureOptimizers(): OptimizerConfiguration {
    const recipe = this.recipe();
    const { learningRate = recipe.learningRate, weightDecay = recipe.weightDecay } = this.#options;
    return backboneAndHead(
      this,
      { ...recipe, learningRate, weightDecay },
      this.trainer.estimatedSteppingBatches,
    );
  }

  /**
   * Where the backbone is frozen for good, its features can be computed once.
   *
   * @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for a strategy that the backbone cannot do
   */
  configureFinetuning(finetuning: BaseFinetuning): void {
    this.#frozen = finetuning.freezesForGood;
  }

  /** Whether the backbone keeps its weights for good. */
  protected get isFrozen(): boolean {
    return this.#frozen;
  }

  /** A frozen backbone stays in eval mode: its batch norms keep their statistics. */
  override train(mode = true): this {
    super.train(mode);
    if (this.#frozen) this.backbone?.eval();
    return this;
  }

  /**
   * What the predictions for samples are worth: accuracy, F1, each class, the confusion matrix, calibration, and the samples
   * with the largest loss, among which wrong labels are found.
   */
  protected async reportOn(
    data: ClassifierData,
    part: string,
    { samples, classes }: ReportedSamples<Sample>,
  ): Promise<ClassificationReport<Sample>> {
    this.checkLabels(data);
    if (samples.length === 0) {
      throw new ConfigurationError("ERR_PARTS", `The data have no part \`${part}\` to report on.`);
    }
    const { labels, multiLabel } = this;
    return classificationReport({
      samples,
      logits: await this.logitsOf(samples),
      classes,
      labels,
      multiLabel,
    });
  }

  /** The answer that a user has asked for. */
  protected format(logits: ArrayLike<number>, options: OutputOptions): ClassifierOutput {
    return formatOutput(Array.from(logits), this.labels, this.multiLabel, options);
  }

  /** @throws ConfigurationError `ERR_LABELS_DIFFER` for data of other classes */
  protected checkLabels({ labels }: { labels: readonly string[] }): void {
    if (labels.length === this.labels.length && labels.every((label, i) => label === this.labels[i])) return;
    throw new ConfigurationError(
      "ERR_LABELS_DIFFER",
      `The data have the classes ${listed(labels)}; this task was made for ${listed(this.labels)}, in that order. ` +
        "Make a new task for these data, or give the data the same classes.",
    );
  }

  /** What JSON can hold of the options, as far as it comes from the data. */
  protected get resolvedOptions() {
    const { labels, multiLabel } = this;
    return { labels, multiLabel, ...(this.#classWeights && { classWeights: this.#classWeights }) };
  }

  #loss(logits: tf.Tensor, target: tf.Tensor): tf.Scalar {
    const { multiLabel } = this;
    const { focalGamma = 0 } = this.#options;
    const isSmoothable = !multiLabel && focalGamma === 0;
    const { labelSmoothing = isSmoothable ? this.defaultLabelSmoothing : 0 } = this.#options;
    const classWeights = this.#classWeights;
    return classificationLoss(logits, target, { multiLabel, labelSmoothing, focalGamma, classWeights });
  }

  #evaluate(batch: unknown, part: "val" | "test"): void {
    const { target } = batch as ClassifierBatch<Input>;
    const logits = this.forward(this.inputOf(batch));
    const scores = this.multiLabel ? tf.sigmoid(logits) : logits;
    const { accuracy, f1 } = this.#metrics[part];
    accuracy.update(scores, target);
    f1?.update(scores, target);
    this.log(`${part}_loss`, this.#loss(logits, target), { progBar: true });
    this.log(`${part}_accuracy`, accuracy, { progBar: true });
    if (f1 !== undefined) this.log(`${part}_f1`, f1);
  }

  #newMetrics(): { accuracy: Accuracy; f1: F1Score | undefined } {
    const options = { numClasses: this.labels.length, multiLabel: this.multiLabel };
    const f1 = this.labels.length > MOST_CLASSES_WITH_F1 ? undefined : new F1Score(options);
    return { accuracy: new Accuracy(options), f1 };
  }
}

function listed(labels: readonly string[]): string {
  const more = labels.length > LISTED ? ` and ${labels.length - LISTED} more` : "";
  return labels.slice(0, LISTED).join(", ") + more;
}
