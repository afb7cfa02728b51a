/** Precision over recall of one class, as its scores rank the samples. */

/** Precision at 101 recalls, and the area below. */
export interface ClassCurve {
  /** At the recalls 0, 0.01 to 1: the best that a threshold with at least that recall has. */
  precision: number[];
  /** The mean precision, weighted by what each threshold adds to the recall; 0 for a class without samples. */
  averagePrecision: number;
}

const RECALLS = 101;

/**
 * @param scores of each sample; samples of the same score share a threshold
 * @param isWanted whether each sample has the class
 */
export function precisionRecallCurve(
  scores: ArrayLike<number>,
  isWanted: ArrayLike<boolean | number>,
): ClassCurve {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const total = order.filter((i) => isWanted[i]).length;
  const precision = new Array<number>(RECALLS).fill(0);
  if (total === 0) return { precision, averagePrecision: 0 };
  let [right, counted, averagePrecision, reached] = [0, 0, 0, 0];
  order.forEach((sample, place) => {
    if (isWanted[sample]) right++;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[sample]) return;
    const here = right / (place + 1);
    averagePrecision += ((right - counted) / total) * here;
    counted = right;
    for (; reached < RECALLS && reached * total <= right * (RECALLS - 1); reached++)
      precision[reached] = here;
  });
  // A lower recall may be had with a threshold of a higher one.
  for (let i = RECALLS - 2; i >= 0; i--) precision[i] = Math.max(precision[i]!, precision[i + 1]!);
  return { precision, averagePrecision };
}
