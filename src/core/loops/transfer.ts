/** A batch's way to the device: what is done to it in host memory, the copy, and what is done to it in the step. */
import { refusePromise, type Hooks } from "../hooks.js";

/** May be asynchronous: it is before the step. */
export async function prepareHostBatch(
  hooks: Hooks,
  batch: unknown,
  dataloaderIdx: number,
): Promise<unknown> {
  return await hooks.callTransfer("onBeforeBatchTransfer", batch, dataloaderIdx);
}

/** Runs inside the step's scope, which frees the tensors. */
export function toDeviceBatch(hooks: Hooks, hostBatch: unknown, dataloaderIdx: number): unknown {
  let batch = hostBatch;
  for (const name of ["transferBatchToDevice", "onAfterBatchTransfer"] as const) {
    batch = hooks.callTransfer(name, batch, dataloaderIdx);
    refusePromise(name, batch);
  }
  return batch;
}
