/** The error rate of a recogniser's most probable tokens, as a metric of validation and test. */
import * as tf from "@tensorflow/tfjs-core";
import type { SummableMetric } from "../../../nn/index.js";
import type { Vocabulary } from "../transcripts/vocabulary.js";
import { characterErrorRate, wordErrorRate } from "./error_rates.js";

interface KeptBatch {
  predictions: tf.Tensor;
  targets: tf.Tensor;
}

/**
 * Keeps the classes of all frames until `compute`, which reads them once and decodes them on the host. `unit` is what is
 * counted: words or characters.
 */
export class TranscriptErrorRate implements SummableMetric {
  readonly #vocabulary: Vocabulary;
  readonly #rate: typeof wordErrorRate;
  #batches: KeptBatch[] = [];

  constructor(vocabulary: Vocabulary, unit: "words" | "characters") {
    this.#vocabulary = vocabulary;
    this.#rate = unit === "words" ? wordErrorRate : characterErrorRate;
  }

  /**
   * @param preds int32 [batch, frames]: the most probable class of each frame, 0 (blank) behind a sound's end
   * @param target int32 [batch, tokens]: the transcripts, 0 behind their ends
   */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    this.#batches.push({ predictions: tf.keep(tf.clone(preds)), targets: tf.keep(tf.clone(target)) });
  }

  async compute(): Promise<number> {
    return this.computeFrom(await this.sums());
  }

  /** Edits, and units that were said. */
  async sums(): Promise<readonly number[]> {
    const { hypotheses, references } = await this.read();
    const { substitutions, insertions, deletions, length } = this.#rate(hypotheses, references);
    return [substitutions + insertions + deletions, length];
  }

  computeFrom([edits, length]: readonly number[]): number {
    return edits! / length!;
  }

  /** What was understood, and what was said. */
  async read(): Promise<{ hypotheses: string[]; references: string[] }> {
    const texts: { hypotheses: string[]; references: string[] } = { hypotheses: [], references: [] };
    for (const { predictions, targets } of this.#batches) {
      const [classes, tokens] = [await rowsOf(predictions), await rowsOf(targets)];
      texts.hypotheses.push(...classes.map((row) => this.#vocabulary.decode(collapse(row))));
      texts.references.push(...tokens.map((row) => this.#vocabulary.decode([...row])));
    }
    return texts;
  }

  reset(): void {
    for (const { predictions, targets } of this.#batches) tf.dispose([predictions, targets]);
    this.#batches = [];
  }
}

/** Repeats become one, and blanks none. */
function collapse(classes: Int32Array): number[] {
  return [...classes].filter((id, t) => id !== 0 && id !== classes[t - 1]);
}

async function rowsOf(tensor: tf.Tensor): Promise<Int32Array[]> {
  const data = (await tensor.data()) as Int32Array;
  const [rows, width] = tensor.shape as [number, number];
  return Array.from({ length: rows }, (_, i) => data.slice(i * width, (i + 1) * width));
}
