/** Sends rows in the background, in order, so that training does not wait for a server. */
import { LoggerError } from "../../../errors.js";

/**
 * Rows wait here until they are sent. A connection that fails holds them up, and the next row or `flush` tries again; a row
 * is lost only with an error that says so.
 */
export class SendQueue<Row> {
  readonly #send: (rows: readonly Row[]) => Promise<void>;
  readonly #maxRows: number;
  readonly #rows: Row[] = [];
  #sending: Promise<void> | undefined;
  #error: LoggerError | undefined;

  /**
   * @param send sends rows, with its own retries; rejects with `ERR_LOGGER_CONNECTION` where trying later may help
   * @param maxRows that it takes at once
   */
  constructor(send: (rows: readonly Row[]) => Promise<void>, maxRows: number) {
    this.#send = send;
    this.#maxRows = maxRows;
  }

  /** @throws LoggerError where the server has refused an earlier row */
  add(row: Row): void {
    if (this.#error !== undefined && this.#error.code !== "ERR_LOGGER_CONNECTION") throw this.#takeError();
    this.#rows.push(row);
    this.#start();
  }

  /**
   * Waits until everything is sent.
   *
   * @throws LoggerError with the number of rows that were not; they stay in the queue
   */
  async flush(): Promise<void> {
    if (this.#rows.length > 0) this.#start();
    await this.#sending;
    if (this.#error !== undefined) throw this.#takeError();
  }

  #start(): void {
    this.#error = undefined;
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  async #sendAll(): Promise<void> {
    while (this.#rows.length > 0) {
      const rows = this.#rows.slice(0, this.#maxRows);
      try {
        await this.#send(rows);
      } catch (error) {
        this.#error = error as LoggerError;
        return;
      }
      this.#rows.splice(0, rows.length);
    }
  }

  #takeError(): LoggerError {
    const { code, message } = this.#error!;
    const cause = this.#error;
    this.#error = undefined;
    const count = this.#rows.length;
    const rows =
      count === 1 ? "The last row logged is not there." : `The last ${count} rows logged are not there.`;
    return new LoggerError(code, `${message} ${rows}`, { cause });
  }
}
