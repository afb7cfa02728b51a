/** Runs a module in a process of its own: its status, what it prints, its result, and a way to stop it. */
import { fork, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WorkError } from "../errors.js";
import { restoreError, settle, type FromProcess, type Outcome, type ToProcess } from "./messages.js";

/** Where a `Work` is. */
export type WorkStatus = "notStarted" | "running" | "succeeded" | "failed" | "stopped";

/** Options of `Work`. */
export interface WorkOptions {
  /** A file to which what the process prints is appended. Default: none. */
  logFile?: string;
  /** Answers `context.request(…)` of the module. Default: such requests fail. */
  onRequest?: (message: unknown) => unknown;
  /** Variables that the process gets beside those of this one. */
  env?: Record<string, string>;
  /** Node's own arguments for the process. Default: those of this one. */
  execArgv?: readonly string[];
}

interface WorkEvents {
  status: [status: WorkStatus];
  log: [line: string];
  message: [message: unknown];
}

const KEPT_LINES = 1000;
const LINES_IN_ERRORS = 10;
const SECONDS_TO_STOP = 10;

/**
 * A module's default export is called with an input, in a fresh process: a crash there harms nothing here, and work and program
 * use different cores. The process ends with the one that started it, even if that is killed.
 *
 * ```ts
 * // train.js: export default async function ({ lr }, { signal, send }) { …; return { accuracy }; }
 * const work = new Work<{ lr: number }, { accuracy: number }>(new URL("./train.js", import.meta.url), { logFile: "train.log" });
 * work.on("status", (status) => console.log(status));
 * const { accuracy } = await work.run({ lr: 1e-3 });
 * ```
 *
 * Emits `status`, `log` (a line that it printed) and `message` (what it sent).
 */
export class Work<Input = unknown, Result = unknown> extends EventEmitter<WorkEvents> {
  /** The module's URL. */
  readonly module: string;
  readonly #options: WorkOptions;
  #status: WorkStatus = "notStarted";
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStopping = false;
  /** When it was started last, and when that ended. */
  startedAt: Date | undefined;
  endedAt: Date | undefined;
  /** The last 1000 lines that it printed, to either stream. */
  readonly logs: string[] = [];

  /** @param module a file's path or `file:` URL, whose default export is a function of the input and a `WorkContext` */
  constructor(module: string | URL, options: WorkOptions = {}) {
    super();
    const isUrl = module instanceof URL || module.startsWith("file:");
    this.module = isUrl ? String(module) : pathToFileURL(resolve(module)).href;
    this.#options = options;
  }

  get status(): WorkStatus {
    return this.#status;
  }

  /** The number of its process, while it runs. */
  get pid(): number | undefined {
    return this.#status === "running" ? this.#child?.pid : undefined;
  }

  /**
   * Starts the process and waits for the result. When it has ended, it can be run again.
   *
   * @param input anything that structured clone can copy, as is the result
   * @throws WorkError `ERR_WORK_RUNNING` where it runs already; `ERR_WORK_FAILED` where the module threw (its error is the
   * `cause`) or the process ended without a result; `ERR_WORK_STOPPED` after `stop()`
   */
  async run(input: Input): Promise<Result> {
    if (this.#status === "running") {
      throw new WorkError(
        "ERR_WORK_RUNNING",
        `${this.module} is running already. Wait for it, or make another Work.`,
      );
    }
    this.#isStopping = false;
    this.startedAt = new Date();
    this.endedAt = undefined;
    this.logs.length = 0;
    this.#setStatus("running");
    const running = this.#runProcess(input);
    this.#ended = running.then(
      () => undefined,
      () => undefined,
    );
    return running;
  }

  /**
   * Asks it to stop by SIGTERM and its context's signal, so that a Trainer leaves a checkpoint, and kills it when it has not
   * ended after some seconds. Does nothing where it does not run.
   *
   * @param options.seconds how long to wait. Default: 10
   */
  async stop({ seconds = SECONDS_TO_STOP }: { seconds?: number } = {}): Promise<void> {
    if (this.#status !== "running") return;
    this.#isStopping = true;
    const child = this.#child!;
    // Windows knows no signal that a process could answer.
    if (process.platform === "win32") child.send({ type: "stop" } satisfies ToProcess, () => undefined);
    else child.kill("SIGTERM");
    const waited = new AbortController();
    await Promise.race([
      this.#ended,
      setTimeout(seconds * 1000, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
    child.kill("SIGKILL");
    await this.#ended;
  }

  async #runProcess(input: Input): Promise<Result> {
    const { env, execArgv = process.execArgv } = this.#options;
    const entry = new URL(
      `./work_process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
      import.meta.url,
    );
    const child = fork(fileURLToPath(entry), [this.module], {
      execArgv: [...execArgv],
      env: { ...process.env, ...env },
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on("line", (line) => this.#log(line));
    let outcome: Outcome | undefined;
    child.on("message", (message: FromProcess) => {
      if (message.type === "end") ({ outcome } = message);
      else if (message.type === "message") this.emit("message", message.message);
      else void this.#answer(child, message.id, message.message);
    });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(`could not be started: ${error.message}`));
      child.once("close", (code, signal) =>
        resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
      );
    });
    child.send({ type: "start", input } satisfies ToProcess, () => undefined);
    const end = await ended;
    this.endedAt = new Date();
    return this.#conclude(outcome, end);
  }

  #conclude(outcome: Outcome | undefined, end: string): Result {
    if (this.#isStopping) {
      this.#setStatus("stopped");
      throw new WorkError("ERR_WORK_STOPPED", `${this.module} was stopped.`);
    }
    if (outcome !== undefined && "value" in outcome) {
      this.#setStatus("succeeded");
      return outcome.value as Result;
    }
    this.#setStatus("failed");
    if (outcome !== undefined) {
      const cause = restoreError(outcome.error);
      throw new WorkError("ERR_WORK_FAILED", `${this.module} failed: ${cause.message}`, { cause });
    }
    const printed = this.logs.slice(-LINES_IN_ERRORS).join("\n");
    const said = printed === "" ? "It printed nothing." : `It printed last:\n${printed}`;
    throw new WorkError(
      "ERR_WORK_FAILED",
      `The process of ${this.module} ${end} before it gave a result. ${said}`,
    );
  }

  async #answer(child: ChildProcess, id: number, message: unknown): Promise<void> {
    const reply = await settle(() => {
      if (this.#options.onRequest === undefined)
        throw new WorkError(
          "ERR_WORK_REQUEST",
          `${this.module} made a request, and its Work has no option onRequest.`,
        );
      return this.#options.onRequest(message);
    });
    if (child.connected) child.send({ type: "reply", id, reply } satisfies ToProcess, () => undefined);
  }

  #log(line: string): void {
    this.logs.push(line);
    if (this.logs.length > KEPT_LINES) this.logs.shift();
    const { logFile } = this.#options;
    if (logFile !== undefined) {
      mkdirSync(dirname(resolve(logFile)), { recursive: true });
      appendFileSync(logFile, `${line}\n`);
    }
    this.emit("log", line);
  }

  #setStatus(status: WorkStatus): void {
    this.#status = status;
    this.emit("status", status);
  }
}
