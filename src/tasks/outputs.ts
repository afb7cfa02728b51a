/** The forms in which a classifier's answer comes. */
import { ConfigurationError, describeChoices } from "../errors.js";

/** One class that a sample was given. */
export interface Classification {
  label: string;
  /** Its probability, 0 to 1. */
  score: number;
  classId: number;
}

export const OUTPUTS = ["labels", "probabilities", "logits"] as const;
/** In which form predictions come. */
export type OutputName = (typeof OUTPUTS)[number];

/** Options of the form of predictions. */
export interface OutputOptions {
  /** `labels` (the default): `Classification`; `probabilities`, `logits`: one number a class, in the order of `labels`. */
  output?: OutputName;
  /** The k most probable classes, best first, instead of the best alone. */
  topK?: number;
  /** Multi-label: the probability from which a class counts as present; default 0.5. */
  threshold?: number;
}

/** What `predict` gives for one sample; with multi-label and neither `output` nor `topK` it is a list. */
export type PredictionOf<Options extends OutputOptions> = Options extends {
  output: "probabilities" | "logits";
}
  ? number[]
  : Options extends { topK: number }
    ? Classification[]
    : Classification;

export type ClassifierOutput = Classification | Classification[] | number[];

/** @throws ConfigurationError `ERR_OUTPUT_OPTION` */
export function checkOutputOptions({ output = "labels", topK, threshold }: OutputOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_OUTPUT_OPTION", message);
  };
  if (!OUTPUTS.includes(output))
    refuse(`There is no output ${JSON.stringify(output)}. ${describeChoices(output, OUTPUTS)}`);
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) {
    refuse(`\`topK\` is a whole number from 1 on, not ${topK}.`);
  }
  if (threshold !== undefined && !(threshold >= 0 && threshold <= 1)) {
    refuse(`\`threshold\` is a probability from 0 to 1, not ${threshold}.`);
  }
}

/** Turns one sample's logits into what was asked for. */
export function formatOutput(
  logits: readonly number[],
  labels: readonly string[],
  multiLabel: boolean,
  { output = "labels", topK, threshold = 0.5 }: OutputOptions,
): ClassifierOutput {
  if (output === "logits") return [...logits];
  const probabilities = multiLabel ? logits.map(sigmoid) : softmax(logits);
  if (output === "probabilities") return probabilities;
  const ranked = probabilities
    .map((score, classId): Classification => ({ label: labels[classId]!, score, classId }))
    .sort((a, b) => b.score - a.score || a.classId - b.classId);
  if (topK !== undefined) return ranked.slice(0, topK);
  return multiLabel ? ranked.filter(({ score }) => score >= threshold) : ranked[0]!;
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function softmax(logits: readonly number[]): number[] {
  const highest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - highest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}
