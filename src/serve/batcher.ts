/** Answers inputs of different requests together, and refuses what would wait too long. */
import type { Answer } from "../catalog/predict_each.js";
import type { Input, Predictor } from "./predictor.js";
import { RequestError } from "./request_error.js";

/** Inputs of one request that wait for their turn. */
interface Entry {
  inputs: readonly Input[];
  options: Record<string, unknown>;
  /** What of the options must agree for inputs to be answered together. */
  key: string;
  signal: AbortSignal;
  resolve: (answers: Answer[]) => void;
  reject: (error: unknown) => void;
}

interface BatcherOptions {
  maxBatchSize: number;
  maxWaitMs: number;
  maxQueue: number;
  /** Hears how many inputs ran together, and for how many seconds. */
  onBatch?: (size: number, seconds: number) => void;
}

export class Batcher {
  readonly #predictor: Predictor;
  readonly #options: BatcherOptions;
  readonly #queue: Entry[] = [];
  #running = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(predictor: Predictor, options: BatcherOptions) {
    this.#predictor = predictor;
    this.#options = options;
  }

  /** Inputs that wait. */
  get waiting(): number {
    return this.#queue.reduce((sum, { inputs }) => sum + inputs.length, 0);
  }

  /**
   * @param signal ends the waiting; what already runs is finished, and its result dropped
   * @throws RequestError 429 where too many inputs wait
   */
  predict(
    inputs: readonly Input[],
    options: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Answer[]> {
    const { maxQueue } = this.#options;
    if (this.waiting + inputs.length > maxQueue && this.#queue.length > 0) {
      const message = `${this.waiting} inputs wait already. Ask again in a moment.`;
      return Promise.reject(new RequestError(429, "ERR_QUEUE_FULL", message));
    }
    return new Promise((resolve, reject) => {
      const entry = { inputs, options, key: JSON.stringify(options), signal, resolve, reject };
      signal.addEventListener("abort", () => this.#drop(entry), { once: true });
      this.#queue.push(entry);
      this.#schedule();
    });
  }

  #drop(entry: Entry): void {
    const at = this.#queue.indexOf(entry);
    if (at >= 0) this.#queue.splice(at, 1);
    entry.reject(entry.signal.reason);
  }

  #schedule(): void {
    if (this.#running || this.#queue.length === 0) return;
    const { maxBatchSize, maxWaitMs } = this.#options;
    if (this.waiting >= maxBatchSize || maxWaitMs === 0) return void this.#run();
    this.#timer ??= setTimeout(() => void this.#run(), maxWaitMs);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#running = true;
    const start = performance.now();
    try {
      const answers = await this.#predictor.predict(
        batch.flatMap(({ inputs }) => [...inputs]),
        batch[0]!.options,
      );
      for (const { inputs, resolve } of batch) resolve(answers.splice(0, inputs.length));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    const size = batch.reduce((sum, { inputs }) => sum + inputs.length, 0);
    this.#options.onBatch?.(size, (performance.now() - start) / 1000);
    this.#running = false;
    this.#schedule();
  }

  /** The first entry, and those behind it that fit beside it. */
  #take(): Entry[] {
    const first = this.#queue.shift();
    if (first === undefined) return [];
    const batch = [first];
    let size = first.inputs.length;
    for (let i = 0; i < this.#queue.length;) {
      const { key, inputs } = this.#queue[i]!;
      if (key !== first.key || size + inputs.length > this.#options.maxBatchSize) i++;
      else {
        batch.push(...this.#queue.splice(i, 1));
        size += inputs.length;
      }
    }
    return batch;
  }
}
