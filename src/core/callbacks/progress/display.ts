/** A place to show the progress of one loop at a time. */

/** Names with what is shown for each. */
export type ShownMetrics = Record<string, number | string>;

export interface ProgressDisplay {
  /** @param total batches; Infinity where it is not known */
  begin(title: string, total: number): void;
  /**
   * @param done batches
   * @param metrics is called only when something is shown, as reading values waits for the device
   */
  update(done: number, metrics: () => ShownMetrics): void;
  /** Says what else happens meanwhile, such as validation in an epoch; "" for nothing. */
  note(text: string): void;
  end(metrics: ShownMetrics): void;
  /** Shows a line of text. A running bar goes on below it. */
  print(text: string): void;
  /** Ends without a result. */
  stop(): void;
}
