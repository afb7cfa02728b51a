/** Where a loader stands, to put it back there. */
import type { BatchLoader } from "../data_module.js";

/** @returns what has the next pass begin in the epoch that it would have begun in */
export function positionOf(loader: BatchLoader): () => void {
  const stateful = loader as BatchLoader & { stateDict?(): { epoch: number; batch: number } };
  const state = stateful.stateDict?.();
  return () => {
    if (state !== undefined) loader.loadStateDict?.({ ...state, batch: 0 });
  };
}
