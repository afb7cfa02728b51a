/** Where training stands. */
export interface LoopProgress {
  /** Epochs completed. */
  epoch: number;
  /** Batches completed of the epoch that is open. */
  batchInEpoch: number;
  /** Batches completed since validation last ended, or since training began. */
  batchesSinceValidation: number;
  /** Optimizer steps. */
  globalStep: number;
  /** What comes next in the open epoch: validation, or what there still is of batches and then the epoch's end. */
  phase: "batches" | "validation";
}

export function startOfTraining(): LoopProgress {
  return { epoch: 0, batchInEpoch: 0, batchesSinceValidation: 0, globalStep: 0, phase: "batches" };
}
