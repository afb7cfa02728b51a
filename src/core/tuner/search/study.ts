/** A search's trials, and what can be read off them. */
import { SearchError } from "../../../errors.js";
import { Journal, type DamagedLine } from "../../../journal.js";
import { allDimensions, nest } from "./assignment.js";
import { parameterImportance, type ParameterImportance } from "./importance.js";
import { plotHistory, plotImportance } from "./plots.js";
import type { SearchSpace, SearchValues } from "./space.js";
import {
  compareTrials,
  StudyState,
  type SearchDirection,
  type StudyEntry,
  type TrialRecord,
} from "./study_state.js";

/** A trial with its parameters as the objective had them. */
export interface SearchResult<Space extends SearchSpace = SearchSpace> extends TrialRecord {
  parameters: SearchValues<Space>;
}

/** What a search found: `Tuner.search` returns it, and `Study.open` reads it from a journal. */
export class Study<Space extends SearchSpace = SearchSpace> {
  readonly space: Space;
  readonly direction: SearchDirection;
  /**
   * The best first: completed trials by value, then pruned ones (those that went further first), running, interrupted
   * and failed ones.
   */
  readonly trials: readonly SearchResult<Space>[];
  /** Lines of the journal that were left out, because a process was killed while it wrote them. */
  readonly damaged: readonly DamagedLine[];

  /** @internal */
  constructor({ study, trials }: StudyState, damaged: readonly DamagedLine[]) {
    const { space, direction } = study!;
    this.space = space as Space;
    this.direction = direction;
    this.trials = trials
      .map((trial) => ({ ...trial, parameters: nest(space, trial.assignment) as SearchValues<Space> }))
      .sort(compareTrials(direction));
    this.damaged = [...damaged];
  }

  /**
   * Reads a journal, also while a search goes on.
   *
   * @throws DataError `ERR_JOURNAL_READ`
   * @throws SearchError `ERR_SEARCH_JOURNAL` where it is none of a search
   */
  static async open(journal: string): Promise<Study> {
    const state = new StudyState();
    const file = new Journal<StudyEntry>(journal, (entry) => state.apply(entry));
    const unfinished = await file.read();
    if (state.study === undefined)
      throw new SearchError(
        "ERR_SEARCH_JOURNAL",
        `${journal} does not begin as the journal of a search does.`,
      );
    const rest = unfinished === "" ? [] : [{ line: file.lines + 1, text: unfinished }];
    return new Study(state, [...file.damaged, ...rest]);
  }

  /**
   * The best completed trial.
   *
   * @throws SearchError `ERR_SEARCH_EMPTY` where no trial is complete
   */
  get best(): SearchResult<Space> {
    const [first] = this.trials;
    if (first?.state === "complete") return first;
    throw new SearchError(
      "ERR_SEARCH_EMPTY",
      `None of the ${this.trials.length} trials is complete, so that there is no best one. Search with more trials or more time.`,
    );
  }

  /** The parameters of the best trial. */
  get bestParameters(): SearchValues<Space> {
    return this.best.parameters;
  }

  /** The value of the best trial. */
  get bestValue(): number {
    return this.best.value!;
  }

  /**
   * How much of the values' variance each parameter explains by itself, the largest first: the shares of single parameters
   * in a functional analysis of variance (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
   * Importance", 2014), over a forest of regression trees that learned the completed trials. What parameters explain
   * only together belongs to none, so that the sum is below 1. A parameter of a branch counts as in the middle of its
   * range in trials that did not take the branch.
   *
   * @throws SearchError `ERR_SEARCH_EMPTY` where fewer than 4 trials are complete
   */
  importance(): ParameterImportance[] {
    return parameterImportance(
      allDimensions(this.space),
      this.trials.filter(({ state }) => state === "complete"),
    );
  }

  /** Draws every completed trial's value in the order of the trials, and the best so far, into a PNG file. */
  async plotHistory(path: string): Promise<void> {
    await plotHistory(
      path,
      [...this.trials].sort((a, b) => a.number - b.number),
      this.direction,
    );
  }

  /**
   * Draws the importance of each parameter as a bar into a PNG file.
   *
   * @throws SearchError `ERR_SEARCH_EMPTY` where fewer than 4 trials are complete
   */
  async plotImportance(path: string): Promise<void> {
    await plotImportance(path, this.importance());
  }
}
