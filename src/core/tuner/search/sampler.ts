/** What chooses the parameters of the next trial, and the plainest that does. */
import type { Generator } from "../../../random.js";
import { assign, type Assignment, type Dimension } from "./assignment.js";
import { NumericRange } from "./numeric_range.js";
import type { Choice, SearchSpace } from "./space.js";
import type { SearchDirection, TrialRecord } from "./study_state.js";

/** What a sampler knows when it chooses. */
export interface SearchSamplerContext {
  space: SearchSpace;
  direction: SearchDirection;
  /** All trials so far, by number: finished ones, and those that are running now. */
  trials: readonly TrialRecord[];
  /** Seeded by the search's seed and the trial's number. */
  random: Generator;
}

/** Chooses the parameters of the next trial. */
export interface SearchSampler {
  sample(context: SearchSamplerContext): Assignment;
}

/** Each parameter evenly over its range (or the range of its logarithm), whatever earlier trials gave. */
export class RandomSampler implements SearchSampler {
  sample({ space, random }: SearchSamplerContext): Assignment {
    return sampleEvenly(space, random);
  }
}

export function sampleEvenly(space: SearchSpace, random: Generator): Assignment {
  return assign(space, (dimensions) => drawEvenly(dimensions, random));
}

export function drawEvenly(dimensions: readonly Dimension[], random: Generator): Assignment {
  return Object.fromEntries(
    dimensions.map(({ path, parameter }): [string, Choice] => {
      if (parameter.type === "categorical")
        return [path, parameter.choices[random.integer(parameter.choices.length)]!];
      const range = new NumericRange(parameter);
      return [path, range.fromLine(random.between(range.low, range.high))];
    }),
  );
}
