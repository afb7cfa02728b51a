/** The state of all random numbers that are drawn from the global stream, as an object that can be saved. */
import { getGlobalGenerator, getGlobalSeed, seedEverything } from "../../random.js";

/** The seed, and where the global stream of initial weights and dropout stands. */
export interface RandomState {
  seed: number;
  state: readonly number[];
}

/** Put it into what `fabric.save` saves, and a loop that loads it draws what the saved one would have drawn. */
export const randomState = {
  stateDict(): RandomState {
    return { seed: getGlobalSeed(), state: [...getGlobalGenerator().state] };
  },

  loadStateDict({ seed, state }: RandomState): void {
    seedEverything(seed);
    getGlobalGenerator().state = state;
  },
};
