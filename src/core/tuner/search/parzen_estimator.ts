/**
 * A density over parameters that come together, made of trials: one kernel around each, and a flat one over everything. Kernels
 * are products over the parameters, so that what was good together stays together (the multivariate estimator of Falkner,
 * Klein and Hutter, "BOHB", 2018, with kernels on mixed spaces).
 */
import type { Generator } from "../../../random.js";
import type { Assignment, Dimension } from "./assignment.js";
import { normalBetween } from "./normal_distribution.js";
import { NumericRange } from "./numeric_range.js";
import type { Choice } from "./space.js";

/** One parameter's part of every kernel. `index` names the kernel; the last is the flat one. */
interface Kernels {
  sample(index: number, random: Generator): Choice;
  logDensity(index: number, value: Choice): number;
}

export class ParzenEstimator {
  readonly #paths: readonly string[];
  readonly #kernels: readonly Kernels[];
  readonly #logWeights: readonly number[];
  readonly #cumulative: readonly number[];

  /**
   * @param observed at least the parameters of the dimensions
   * @param weights how much each kernel counts; the flat one, which comes last, counts 1
   */
  constructor(dimensions: readonly Dimension[], observed: readonly Assignment[], weights: readonly number[]) {
    this.#paths = dimensions.map(({ path }) => path);
    this.#kernels = dimensions.map(({ path, parameter }) => {
      const values = observed.map((assignment) => assignment[path]!);
      return parameter.type === "categorical"
        ? new CategoricalKernels(parameter.choices, values)
        : new NumericKernels(new NumericRange(parameter), values as number[], dimensions.length);
    });
    const all = [...weights, 1];
    const total = all.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    this.#cumulative = all.map((weight) => (sum += weight / total));
    this.#logWeights = all.map((weight) => Math.log(weight / total));
  }

  sample(random: Generator): Assignment {
    const drawn = random.uniform();
    const found = this.#cumulative.findIndex((sum) => drawn < sum);
    const index = found === -1 ? this.#cumulative.length - 1 : found;
    return Object.fromEntries(this.#paths.map((path, i) => [path, this.#kernels[i]!.sample(index, random)]));
  }

  /** The logarithm of the density (of the probability, where parameters have few values). */
  logDensity(assignment: Assignment): number {
    const terms = this.#logWeights.map((logWeight, index) =>
      this.#paths.reduce(
        (sum, path, i) => sum + this.#kernels[i]!.logDensity(index, assignment[path]!),
        logWeight,
      ),
    );
    const largest = Math.max(...terms);
    if (largest === -Infinity) return -Infinity;
    return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
  }
}

/** A kernel's width for one trial, as a share of the range. */
const WIDTH = 0.2;

/** Normal distributions that are cut off at the ends of the range. */
class NumericKernels implements Kernels {
  readonly #range: NumericRange;
  readonly #means: readonly number[];
  readonly #deviations: readonly number[];
  /** The logarithm of the share of each that lies in the range. */
  readonly #logInside: readonly number[];

  constructor(range: NumericRange, values: readonly number[], dimensionality: number) {
    this.#range = range;
    const length = range.high - range.low;
    this.#means = [...values.map((value) => range.toLine(value)), (range.low + range.high) / 2];
    // Scott's rule: more trials, narrower kernels. The flat one is as wide as the range.
    const deviation = WIDTH * length * Math.max(1, values.length) ** (-1 / (dimensionality + 4));
    this.#deviations = [...values.map(() => deviation), length];
    this.#logInside = this.#means.map((mean, i) =>
      Math.log(
        normalBetween((range.low - mean) / this.#deviations[i]!, (range.high - mean) / this.#deviations[i]!),
      ),
    );
  }

  sample(index: number, random: Generator): number {
    const { low, high } = this.#range;
    if (low === high) return this.#range.fromLine(low);
    // The mean is in the range and the deviation at most its length: a third of the draws fall into it, or more.
    for (;;) {
      const point = this.#means[index]! + this.#deviations[index]! * random.normal();
      if (point >= low && point <= high) return this.#range.fromLine(point);
    }
  }

  logDensity(index: number, value: Choice): number {
    const { low, high, step } = this.#range;
    if (low === high) return 0;
    const [mean, deviation] = [this.#means[index]!, this.#deviations[index]!];
    const [from, to] = this.#range.cell(value as number).map((point) => (point - mean) / deviation) as [
      number,
      number,
    ];
    if (step !== undefined) return Math.log(normalBetween(from, to)) - this.#logInside[index]!;
    return -(from * from) / 2 - Math.log(deviation * Math.sqrt(2 * Math.PI)) - this.#logInside[index]!;
  }
}

/** The trial's choice, and a little of every other. */
class CategoricalKernels implements Kernels {
  readonly #choices: readonly Choice[];
  readonly #values: readonly Choice[];
  /** What all choices share, where the trial's own has 1 more. */
  readonly #shared: number;

  constructor(choices: readonly Choice[], values: readonly Choice[]) {
    this.#choices = choices;
    this.#values = values;
    this.#shared = 1 / (values.length + 1);
  }

  sample(index: number, random: Generator): Choice {
    const { length } = this.#choices;
    const drawn = random.uniform() * this.#total(index);
    const place = Math.floor(drawn / this.#shared);
    return place < length ? this.#choices[place]! : this.#values[index]!;
  }

  logDensity(index: number, value: Choice): number {
    const own = this.#values[index] === value ? 1 : 0;
    return Math.log((own + this.#shared) / this.#total(index));
  }

  #total(index: number): number {
    return (index < this.#values.length ? 1 : 0) + this.#shared * this.#choices.length;
  }
}
