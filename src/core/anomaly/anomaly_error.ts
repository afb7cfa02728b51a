/** The error that `detectAnomaly` stops a run with. */
import { KindlingError } from "../../errors.js";

/** Where the first number that is not finite was made. */
export interface Anomaly {
  /** The module's dotted name in the tree, empty for the LightningModule itself; undefined where no module made it. */
  module: string | undefined;
  /** Whether a module's output, or a gradient that its backward pass made, is not finite. */
  pass: "forward" | "backward";
  batchIdx: number;
}

/** A number in a training step is not finite. */
export class AnomalyError extends KindlingError implements Anomaly {
  readonly module: string | undefined;
  readonly pass: "forward" | "backward";
  readonly batchIdx: number;

  constructor({ module, pass, batchIdx }: Anomaly, what: string, hint: string) {
    super(
      "ERR_ANOMALY",
      `detectAnomaly: in batch ${batchIdx}, ${what} is not finite, and everything before it in the ${pass} pass is. ${hint}`,
    );
    this.module = module;
    this.pass = pass;
    this.batchIdx = batchIdx;
  }
}
