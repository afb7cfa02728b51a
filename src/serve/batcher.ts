/** Answers inputs of different requests together, and refuses what would wait too long. */
import type { Answer } from "../catalog/predict_each.js";
import type { Input, Predictor } from "./predictor.js";
import { RequestError } from "./request_error.js";

/** Batches at the model at once: one that runs, and a full one whose inputs are decoded meanwhile. */
const AT_MODEL = 2;

/** Inputs of one request that wait for their turn. */
interface Entry {
  inputs: readonly Input[];
  options: Record<string, unknown>;
  /** What of the options must agree for inputs to be answered together. */
  key: string;
  /** When it came, as `performance.now()` says. */
  since: number;
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
  #running = 0;
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
      const key = JSON.stringify(options);
      const entry = { inputs, options, key, since: performance.now(), signal, resolve, reject };
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

  /** Full batches go ahead of what runs; others gather until nothing does. */
  #schedule(): void {
    const { maxBatchSize, maxWaitMs } = this.#options;
    while (this.#running < AT_MODEL && this.waiting >= maxBatchSize) void this.#run();
    const [first] = this.#queue;
    if (this.#running > 0 || first === undefined) return;
    const left = maxWaitMs - (performance.now() - first.since);
    if (left <= 0) void this.#run();
    else this.#timer ??= setTimeout(() => void this.#run(), left);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#running++;
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
    this.#running--;
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
