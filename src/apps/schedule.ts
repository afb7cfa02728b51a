/** Does something again and again, at the times of a cron pattern. */
import { Cron } from "croner";
import { ConfigurationError } from "../errors.js";
import type { StageStatus } from "./pipeline_status.js";

/** Options of `pipeline.schedule`. */
export interface ScheduleOptions {
  /** Is told whenever a stage goes from one state to another. */
  onStatus?: (status: StageStatus) => void;
  /** A name of the IANA database, such as "Europe/Berlin", whose clock the pattern means. Default: that of the machine. */
  timezone?: string;
  /** Gets the errors of runs, after which the schedule goes on. Default: an error stops it, and `done` rejects with it. */
  onError?: (error: unknown) => void;
}

/** A schedule that goes on. It keeps the process alive. */
export interface PipelineSchedule {
  /** When the next run begins; undefined once it is stopped. */
  readonly next: Date | undefined;
  /** Resolves when it has been stopped, and rejects when an error has stopped it. */
  readonly done: Promise<void>;
  /** Begins no more runs, and calls off one that goes on. Resolves when that has ended. */
  stop(): Promise<void>;
}

/** @throws ConfigurationError `ERR_PIPELINE_SCHEDULE` */
export function startSchedule(
  pattern: string,
  action: (signal: AbortSignal) => Promise<unknown>,
  { timezone, onError }: Omit<ScheduleOptions, "onStatus">,
): PipelineSchedule {
  const { promise, resolve, reject } = withResolvers();
  const calledOff = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let job: Cron;
  const tick = async () => {
    try {
      await action(calledOff.signal);
    } catch (error) {
      if (calledOff.signal.aborted) return;
      if (onError !== undefined) return onError(error);
      job.stop();
      reject(error as Error);
    }
  };
  try {
    job = new Cron(
      pattern,
      { protect: true, ...(timezone !== undefined && { timezone }) },
      () => (running = tick()),
    );
  } catch (cause) {
    throw new ConfigurationError(
      "ERR_PIPELINE_SCHEDULE",
      `${JSON.stringify(pattern)}${timezone === undefined ? "" : ` in ${timezone}`} is no schedule: ${(cause as Error).message} ` +
        'Give five fields (minute, hour, day, month, weekday), or six with seconds first, such as "0 3 * * *".',
      { cause },
    );
  }
  return {
    get next() {
      return job.nextRun() ?? undefined;
    },
    done: promise,
    stop: async () => {
      job.stop();
      calledOff.abort();
      await running;
      resolve();
    },
  };
}

function withResolvers() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
