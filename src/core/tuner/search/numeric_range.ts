/** A numeric parameter on the line that samplers work on: its logarithm where it has one, and cells around allowed values. */
import type { FloatParameter, IntParameter } from "./space.js";

export class NumericRange {
  /** The ends on the line. Where only some values are allowed, half a step beyond the outermost. */
  readonly low: number;
  readonly high: number;
  /** How far apart allowed values are, before the logarithm; undefined where all are. */
  readonly step: number | undefined;
  readonly #parameter: FloatParameter | IntParameter;
  /** The largest allowed value. */
  readonly #last: number;

  constructor(parameter: FloatParameter | IntParameter) {
    const { type, low, high, step = type === "int" ? 1 : undefined } = parameter;
    this.#parameter = parameter;
    this.step = step;
    // A little more, because (0.3 - 0) / 0.1 is below 3.
    this.#last = step === undefined ? high : low + Math.floor((high - low) / step + 1e-9) * step;
    this.low = this.#onLine(low - (step ?? 0) / 2);
    this.high = this.#onLine(this.#last + (step ?? 0) / 2);
  }

  /** Where a value lies on the line. */
  toLine(value: number): number {
    return this.#onLine(value);
  }

  /** The allowed value at, or nearest to, a point of the line. */
  fromLine(point: number): number {
    const { type, low, log } = this.#parameter;
    const value = log ? Math.exp(point) : point;
    if (this.step === undefined) return Math.min(this.#last, Math.max(low, value));
    const steps = Math.round((value - low) / this.step);
    const allowed = Math.min(this.#last, Math.max(low, low + steps * this.step));
    // Without the rounding error of the product: 0.1 + 2 · 0.1 is not 0.3.
    return type === "int" ? allowed : Number(allowed.toPrecision(15));
  }

  /** The stretch of the line that belongs to an allowed value; where all are allowed, the point itself. */
  cell(value: number): [from: number, to: number] {
    const half = (this.step ?? 0) / 2;
    return [this.#onLine(value - half), this.#onLine(value + half)];
  }

  #onLine(value: number): number {
    return this.#parameter.log ? Math.log(value) : value;
  }
}
