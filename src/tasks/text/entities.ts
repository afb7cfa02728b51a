/** Entities from the tags of words (B-PER, I-PER, O), and the F1 of entities. */
import * as tf from "@tensorflow/tfjs-core";
import type { SummableMetric } from "../../nn/index.js";

/** Words `first` to `last` that are one entity. */
export interface WordSpan {
  type: string;
  first: number;
  last: number;
}

/**
 * Entities as CoNLL's own scorer finds them: one begins at B-, and at I- behind another type or none. Tags may also be
 * IOBES (S- for single words, E- for the last).
 */
export function entitiesOf(tags: readonly string[]): WordSpan[] {
  const spans: WordSpan[] = [];
  let open: WordSpan | undefined;
  tags.forEach((tag, word) => {
    const [prefix, type] = /^([BIES])-(.+)$/.exec(tag)?.slice(1) ?? [];
    if (type === undefined) {
      open = undefined;
      return;
    }
    if (open !== undefined && open.type === type && (prefix === "I" || prefix === "E")) open.last = word;
    else spans.push((open = { type, first: word, last: word }));
    if (prefix === "E" || prefix === "S") open = undefined;
  });
  return spans;
}

/** F1 of entities: one is right if its words and its type are (Tjong Kim Sang and De Meulder, 2003). */
export class EntityF1 implements SummableMetric {
  readonly #labels: readonly string[];
  readonly #batches: { predicted: tf.Tensor; target: tf.Tensor }[] = [];

  constructor(labels: readonly string[]) {
    this.#labels = labels;
  }

  /**
   * @param preds scores [batch, length, labels]
   * @param target int32 [batch, length], -1 where there is no word
   */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    const predicted = tf.keep(tf.argMax(preds, -1));
    this.#batches.push({ predicted, target: tf.keep(tf.clone(target)) });
  }

  /** From 0 to 1; 0 where there are no entities. */
  async compute(): Promise<number> {
    return this.computeFrom(await this.sums());
  }

  computeFrom([right, total]: readonly number[]): number {
    return total === 0 ? 0 : (2 * right!) / total!;
  }

  /** Entities that are right, and all that were said or wanted. */
  async sums(): Promise<readonly number[]> {
    let right = 0;
    let total = 0;
    for (const { predicted, target } of this.#batches) {
      const [batch, length] = target.shape as [number, number];
      const [said, wanted] = [await predicted.data<"int32">(), await target.data<"int32">()];
      for (let row = 0; row < batch; row++) {
        const places = Array.from({ length }, (_, i) => row * length + i).filter((at) => wanted[at]! >= 0);
        const name = (ids: Int32Array) => entitiesOf(places.map((at) => this.#labels[ids[at]!]!)).map(keyOf);
        const found = name(said);
        const expected = new Set(name(wanted));
        right += found.filter((key) => expected.has(key)).length;
        total += found.length + expected.size;
      }
    }
    return [right, total];
  }

  reset(): void {
    for (const { predicted, target } of this.#batches) tf.dispose([predicted, target]);
    this.#batches.length = 0;
  }
}

function keyOf({ type, first, last }: WordSpan): string {
  return `${first} ${last} ${type}`;
}
