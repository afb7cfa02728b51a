/** A collective under way: it can be waited for with the event loop standing still, as a training step does, or going on. */
import { DistributedError } from "../errors.js";

/** A moment at which a collective cannot go on without the other ranks. */
export interface Wait {
  /** Whether it can go on. @throws DistributedError where it never will */
  isOver(): boolean;
  /** Stands still for a while, or until it is over. */
  block(): void;
  /** The same while the event loop goes on. */
  sleep(): Promise<void>;
}

/** The steps of a collective, with waits between them. */
export type Procedure = Generator<Wait, void, void>;

/** What is said of a collective in errors, and how long it may take. */
export interface CollectiveOptions {
  name: string;
  /** Milliseconds without the other ranks. */
  timeout: number;
}

/** As PyTorch's `Work`: made by the collectives of a ProcessGroup. The arrays are the collective's until it is over. */
export class CollectiveWork {
  readonly #procedure: Procedure;
  readonly #options: CollectiveOptions;
  /** Must be over first. */
  #before: CollectiveWork | undefined;
  #waitsFor: Wait | undefined;
  #isOver = false;
  #error: unknown;

  /** @param before a collective that has to be over before this one begins */
  constructor(procedure: Procedure, before: CollectiveWork | undefined, options: CollectiveOptions) {
    this.#procedure = procedure;
    this.#options = options;
    this.#before = before?.isOver === false ? before : undefined;
    if (this.#before === undefined) this.#advance();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Returns when it is over, with the event loop standing still.
   *
   * @throws DistributedError where another rank has failed or is lost, does something else, or does not come in time
   */
  wait(): void {
    this.#waitForOneBefore();
    const start = performance.now();
    while (!this.#isOver) {
      const wait = this.#waitsFor!;
      if (this.#test(wait)) continue;
      wait.block();
      this.#checkTime(start);
    }
    if (this.#error !== undefined) throw this.#error as Error;
  }

  /** As `wait`, while the event loop goes on. */
  async finished(): Promise<void> {
    if (this.#before !== undefined) {
      await this.#before.finished().catch(() => undefined); // whoever began it hears of its error
      this.#waitForOneBefore();
    }
    const start = performance.now();
    // A promise alone does not keep a process alive.
    const keepAlive = setInterval(() => undefined, 1000);
    try {
      while (!this.#isOver) {
        const wait = this.#waitsFor!;
        if (this.#test(wait)) continue;
        await wait.sleep();
        this.#checkTime(start);
      }
    } finally {
      clearInterval(keepAlive);
    }
    if (this.#error !== undefined) throw this.#error as Error;
  }

  #waitForOneBefore(): void {
    const before = this.#before;
    if (before === undefined) return;
    this.#before = undefined;
    try {
      before.wait();
    } catch {
      // whoever began it hears of its error, and this one fails for the same reason
    }
    this.#advance();
  }

  /** Goes on if it can. @returns whether it could, or is over by an error */
  #test(wait: Wait): boolean {
    try {
      if (!wait.isOver()) return false;
    } catch (error) {
      this.#fail(error);
      return true;
    }
    this.#advance();
    return true;
  }

  #advance(): void {
    try {
      const { done, value } = this.#procedure.next();
      if (done === true) this.#isOver = true;
      else this.#waitsFor = value;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#error = error;
    this.#isOver = true;
  }

  #checkTime(start: number): void {
    const { name, timeout } = this.#options;
    if (this.#isOver || performance.now() - start < timeout) return;
    this.#fail(
      new DistributedError(
        "ERR_COLLECTIVE_TIMEOUT",
        `${name} waited ${Math.round(timeout / 1000)} s for the other ranks. Each rank must call the same collectives in ` +
          "the same order; where one legitimately takes longer, give the strategy a longer timeout.",
      ),
    );
  }
}
