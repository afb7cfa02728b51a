/** The trials of a search that several processes may share: who begins which, and what each reported and ended with. */
import { isDeepStrictEqual } from "node:util";
import { SearchError } from "../../../errors.js";
import { Journal } from "../../../journal.js";
import { hasEnded, ownIdentity } from "../../../process_identity.js";
import { Generator } from "../../../random.js";
import { savedNumber } from "../../callbacks/monitoring.js";
import type { Pruner } from "./pruner.js";
import type { SearchSampler } from "./sampler.js";
import type { SearchSpace } from "./space.js";
import { Study } from "./study.js";
import { StudyState, type SearchDirection, type StudyEntry, type TrialRecord } from "./study_state.js";

/** A trial that has taken its process with it so many times is not tried again. */
const MOST_ATTEMPTS = 5;

interface SharedStudyOptions {
  journal: string | undefined;
  space: SearchSpace;
  direction: SearchDirection;
}

/** How a trial ended. */
export type TrialEnd = Pick<StudyEntry & { event: "end" }, "state" | "value" | "error">;

export class SharedStudy {
  readonly #state = new StudyState();
  readonly #journal: Journal<StudyEntry>;
  readonly #options: SharedStudyOptions;

  private constructor(options: SharedStudyOptions) {
    this.#options = options;
    this.#journal = new Journal(options.journal, (entry) => this.#state.apply(entry));
  }

  /** @throws SearchError `ERR_SEARCH_JOURNAL` where the journal is of another search */
  static async open(options: SharedStudyOptions): Promise<SharedStudy> {
    const shared = new SharedStudy(options);
    const { space, direction } = options;
    await shared.#journal.update(() =>
      shared.#state.study === undefined ? [{ event: "study", format: 1, direction, space }] : [],
    );
    shared.#requireSame();
    return shared;
  }

  /**
   * Begins a trial: one whose process is gone, or else a new one.
   *
   * @returns undefined where all have begun
   */
  async begin(maxTrials: number, sampler: SearchSampler, seed: number): Promise<TrialRecord | undefined> {
    let begun: number | undefined;
    await this.#journal.update(() => {
      const time = new Date().toISOString();
      const process = ownIdentity();
      const { trials } = this.#state;
      const gone = trials.filter((trial) => this.#isGone(trial));
      const dead = gone.filter(({ attempts }) => attempts >= MOST_ATTEMPTS);
      const ends = dead.map(({ number: trial, attempts }): StudyEntry => {
        const error = `Its process was gone ${attempts} times before it ended.`;
        return { event: "end", trial, state: "failed", error, time };
      });
      const again = gone.find((trial) => !dead.includes(trial));
      begun = again?.number ?? (trials.length < maxTrials ? trials.length : undefined);
      if (begun === undefined) return ends;
      const assignment =
        again?.assignment ?? sampler.sample({ ...this.#options, trials, random: new Generator(seed, begun) });
      return [...ends, { event: "start", trial: begun, assignment, process, time }];
    });
    return begun === undefined ? undefined : this.#state.trials[begun];
  }

  /** @returns whether the pruner ends the trial */
  async report(trial: number, value: number, step: number, pruner: Pruner | undefined): Promise<boolean> {
    const time = new Date().toISOString();
    await this.#journal.update(() => [{ event: "report", trial, step, value: savedNumber(value), time }]);
    const { trials } = this.#state;
    const { direction } = this.#options;
    return pruner?.shouldPrune({ trial: trials[trial]!, trials, direction }) ?? false;
  }

  async end(trial: number, end: TrialEnd): Promise<TrialRecord> {
    const time = new Date().toISOString();
    await this.#journal.update(() => [{ event: "end", trial, ...end, time }]);
    return this.#state.trials[trial]!;
  }

  /** Leaves a trial for somebody to begin again. */
  async interrupt(trial: number): Promise<void> {
    await this.#journal.update(() => [{ event: "interrupt", trial, time: new Date().toISOString() }]);
  }

  toStudy(): Study {
    return new Study(this.#state, this.#journal.damaged);
  }

  async refresh(): Promise<void> {
    await this.#journal.read();
  }

  #isGone({ number, state }: TrialRecord): boolean {
    if (state === "interrupted") return true;
    return state === "running" && hasEnded(this.#state.processes.get(number)!);
  }

  #requireSame(): void {
    const { space, direction, journal } = this.#options;
    const { study } = this.#state;
    // As JSON has it: an undefined field of an option is none.
    const plain: unknown = JSON.parse(JSON.stringify(space));
    const different = isDeepStrictEqual(JSON.parse(JSON.stringify(study!.space)), plain)
      ? study!.direction === direction
        ? undefined
        : "direction"
      : "space";
    if (different === undefined) return;
    throw new SearchError(
      "ERR_SEARCH_JOURNAL",
      `${journal} is the journal of a search with another ${different}: ${JSON.stringify(study![different])}, not ` +
        `${JSON.stringify(this.#options[different])}. Go on with the same, or give the journal another name.`,
    );
  }
}
