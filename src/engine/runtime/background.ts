/**
 * Threads that run sessions while the event loop goes on, one run after the other in the order in which they began: what
 * a GPU's programs know as a stream. Unlike a call on libuv's pool it can be waited for without turning the event loop,
 * and no run queues behind files that are read and pictures that are decoded. Only runs that have nothing to do with each
 * other are given to several threads, which compute them at the same time.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { EngineError } from "../../errors.js";
import { RUN_ARGUMENTS, runAddress, takeMessage } from "./api.js";
import { libraryPath } from "./library.js";

/** States of a run. */
const RUNNING = 0;
const DONE = 1;
const FAILED = 2;
const SKIPPED = 3;

/** What the thread executes: plain JavaScript, because it loads no file of ours, neither from sources nor bundled. */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
let library, run, broken;
try {
  const koffi = require(workerData.koffi);
  library = koffi.load(workerData.library);
  run = koffi.decode(workerData.address, koffi.proto("void *", workerData.types));
} catch (error) {
  broken = error;
}
parentPort.on("message", ({ shared, calls, behind, after }) => {
  const state = new Int32Array(shared);
  for (const other of behind) Atomics.wait(new Int32Array(other), 0, ${RUNNING});
  let result = after.some((other) => Atomics.load(new Int32Array(other), 0) !== ${DONE}) ? ${SKIPPED} : ${DONE};
  const start = performance.now();
  try {
    if (broken !== undefined) throw broken;
    for (let i = 0; i < calls.length && result === ${DONE}; i += workerData.types.length) {
      const status = run(...calls.subarray(i, i + workerData.types.length));
      if (status === null) continue;
      new BigUint64Array(shared, 8, 1)[0] = status;
      result = ${FAILED};
    }
  } catch (error) {
    result = ${FAILED};
    parentPort.postMessage(String(error));
  }
  new Float64Array(shared, 16, 1)[0] = performance.now() - start;
  Atomics.store(state, 0, result);
  Atomics.notify(state, 0);
  parentPort.postMessage(null);
});`;

/** The arguments of a session's run, as the C function takes them. */
export type NativeCall = readonly bigint[];

/** One or several calls that are made in the background. */
export class BackgroundRun {
  /** Whether it is over, and everything that belongs to it has been let go. */
  isOver = false;
  /** Why it failed. */
  error: EngineError | undefined;
  /** Milliseconds that it took. */
  ms = 0;
  /** Resolves when it is over, failed or not. */
  readonly over: Promise<void>;
  /** State, address of the error, milliseconds: what both threads see. */
  readonly shared = new SharedArrayBuffer(24);
  readonly #state = new Int32Array(this.shared, 0, 1);
  readonly #onOver: (run: BackgroundRun) => void;
  #after: readonly BackgroundRun[];
  #resolve!: () => void;

  constructor(after: readonly BackgroundRun[], onOver: (run: BackgroundRun) => void) {
    this.#after = after;
    this.#onOver = onOver;
    this.over = new Promise((resolve) => (this.#resolve = resolve));
  }

  get isRunning(): boolean {
    return Atomics.load(this.#state, 0) === RUNNING;
  }

  /** Waits without turning the event loop. */
  wait(): void {
    Atomics.wait(this.#state, 0, RUNNING);
  }

  /** Takes note of how it ended. */
  end(): void {
    const state = Atomics.load(this.#state, 0);
    if (state === FAILED) {
      const status = new BigUint64Array(this.shared, 8, 1)[0]!;
      const reason = status === 0n ? (threadError ?? "the thread broke down") : takeMessage(status);
      this.error = new EngineError("ERR_ENGINE_RUN", `ONNX Runtime failed in a graph: ${reason}`);
    } else if (state === SKIPPED) {
      this.error = this.#after.find(({ error }) => error !== undefined)!.error;
    }
    this.#after = [];
    this.ms = new Float64Array(this.shared, 16, 1)[0]!;
    this.isOver = true;
    this.#onOver(this);
    this.#resolve();
  }
}

/** The first one runs whatever needs no more than one. */
const threads: Worker[] = [];
let threadError: string | undefined;
/** Runs that are not over, in their order. */
const queue: BackgroundRun[] = [];

/** Whether nothing runs in the background. */
export function isBackgroundIdle(): boolean {
  return queue.length === 0;
}

/** What is begun next waits for these. */
export function runsUnderWay(): readonly BackgroundRun[] {
  return [...queue];
}

/** Where in the background a run belongs. */
export interface BackgroundPlace {
  /** The number of its thread. Default: 0. */
  thread?: number;
  /** Runs that must be over before, failed or not. Default: all that have been begun. */
  behind?: readonly BackgroundRun[];
}

/**
 * Begins a run. Whatever its addresses point to must be held until it is over.
 * @param calls are made in order, until one fails
 * @param after runs that must have succeeded: it is skipped, with their error, if one fails
 * @param onOver is called when it is over, before anybody who waits for it goes on
 */
export function runInBackground(
  calls: readonly NativeCall[],
  after: readonly BackgroundRun[],
  onOver: (run: BackgroundRun) => void,
  { thread = 0, behind = queue }: BackgroundPlace = {},
): BackgroundRun {
  while (threads.length <= thread) threads.push(startThread());
  const run = new BackgroundRun(after, onOver);
  const { shared } = run;
  threads[thread]!.postMessage({
    shared,
    calls: BigUint64Array.from(calls.flat()),
    behind: behind.map((other) => other.shared),
    after: after.map((other) => other.shared),
  });
  if (queue.push(run) === 1) threads[0]!.ref();
  return run;
}

/** Waits, without turning the event loop, until nothing runs in the background. */
export function joinBackground(): void {
  for (const run of queue) run.wait();
  endRuns();
}

function endRuns(): void {
  if (queue.length === 0) return;
  while (queue.length > 0 && !queue[0]!.isRunning) queue.shift()!.end();
  if (queue.length === 0) threads[0]!.unref(); // it holds the process only while somebody waits for it
}

function startThread(): Worker {
  const koffi = createRequire(import.meta.url).resolve("koffi");
  const workerData = { koffi, library: libraryPath(), address: runAddress(), types: RUN_ARGUMENTS };
  const worker = new Worker(THREAD, { eval: true, execArgv: [], workerData });
  worker.on("message", (message: string | null) => {
    if (message === null) endRuns();
    else threadError = message;
  });
  worker.unref();
  return worker;
}
