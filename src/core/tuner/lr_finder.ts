/** What a learning rate range test found (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017). */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { plotLearningRates } from "./plot.js";
import { steepest, valley } from "./suggestions.js";

const methods = { steepest, valley };

/** Options of `finder.suggestion`. */
export interface SuggestionOptions {
  /** "steepest": where the loss falls fastest. "valley": the middle of the longest fall, as fastai. Default: "steepest". */
  method?: keyof typeof methods;
  /** Points at the start that are left out. Default: 10. */
  skipBegin?: number;
  /** Points at the end that are left out. Default: 1. */
  skipEnd?: number;
}

/** The losses at rising learning rates, and what they suggest. */
export class LrFinder {
  /** The learning rate of each step, and the smoothed loss with it. */
  readonly results: { readonly lr: readonly number[]; readonly loss: readonly number[] };
  readonly #isLogarithmic: boolean;

  /** @param mode how the learning rate rose */
  constructor(results: { lr: readonly number[]; loss: readonly number[] }, mode: "exponential" | "linear") {
    this.results = results;
    this.#isLogarithmic = mode === "exponential";
  }

  /**
   * A learning rate to train with; undefined where fewer than two losses are left that are finite.
   *
   * @throws ConfigurationError `ERR_TUNER_OPTION` for another method
   */
  suggestion({ method = "steepest", skipBegin = 10, skipEnd = 1 }: SuggestionOptions = {}):
    number | undefined {
    if (!Object.hasOwn(methods, method)) {
      throw new ConfigurationError(
        "ERR_TUNER_OPTION",
        `suggestion has no method ${JSON.stringify(method)}. ${describeChoices(method, Object.keys(methods))}`,
      );
    }
    const { lr, loss } = this.results;
    const kept = lr
      .map((rate, i) => ({ rate, loss: loss[i]! }))
      .slice(skipBegin, lr.length - skipEnd)
      .filter((point) => Number.isFinite(point.loss));
    if (kept.length < 2) return undefined;
    return methods[method](
      kept.map(({ rate }) => rate),
      kept.map((point) => point.loss),
    );
  }

  /**
   * Draws the losses over the learning rates into a PNG file.
   *
   * @param options.suggest whether to mark the suggestion. Default: false
   */
  async plot(path: string, { suggest = false, ...options }: { suggest?: boolean } & SuggestionOptions = {}) {
    const mark = suggest ? this.suggestion(options) : undefined;
    await plotLearningRates(path, this.results, { isLogarithmic: this.#isLogarithmic, mark });
  }
}
