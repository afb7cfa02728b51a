/** How checkpoints of older format versions become those of this one, a version at a time. */
import { mapNested } from "../../nested.js";

/** The version that is written. */
export const FORMAT_VERSION = 2;

type State = Record<string, unknown>;

/** What each version's state has to become for the next one. */
const migrations: Readonly<Record<number, (state: State) => State>> = {
  /** Version 2 has lists of optimizers and schedulers, counts batches since validation, and keeps numbers that JSON lacks. */
  1: ({ optimizer, scheduler, callbacks, progress, ...state }) => ({
    ...state,
    progress: { ...(progress as State), batchesSinceValidation: (progress as State).batchInEpoch },
    kindlingVersion: "0.1.0",
    callbacks: mapNested(callbacks, (leaf) =>
      leaf === "NaN" || leaf === "Infinity" || leaf === "-Infinity" ? Number(leaf) : leaf,
    ),
    ...(optimizer !== undefined && { optimizerStates: [optimizer] }),
    ...(scheduler !== undefined && { lrSchedulers: [scheduler] }),
  }),
};

/** @param version from 1 to `FORMAT_VERSION` */
export function migrate(state: State, version: number): State {
  let migrated = state;
  for (let from = version; from < FORMAT_VERSION; from++) migrated = migrations[from]!(migrated);
  return migrated;
}
