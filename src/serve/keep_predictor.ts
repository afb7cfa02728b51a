/** Keeps a model answering: a process that has ended, or that answers no more, is replaced by a new one. */
import { setTimeout as sleep } from "node:timers/promises";
import { warnOnce } from "../warn.js";
import { ModelLostError, type Predictor, type StartedPredictor } from "./predictor.js";

/** Seconds before the first attempt, doubled with each that fails. */
const FIRST_DELAY = 0.1;
const LONGEST_DELAY = 30;
/** A process that lived for as many seconds was well. */
const HEALTHY_AFTER = 60;

export interface KeepOptions {
  /** A run that takes longer, in seconds, ends the process: nobody waits for it any more. */
  maxRunSeconds: number;
}

/**
 * What the lost process was answering is rejected with `ModelLostError`, and so is what comes before the next one is ready:
 * whether an input was what ended it cannot be known, so that nothing is tried twice.
 *
 * @throws KindlingError where the first start fails
 */
export async function keepPredictor(
  start: () => Promise<StartedPredictor>,
  { maxRunSeconds }: KeepOptions,
): Promise<Predictor> {
  let current: StartedPredictor | undefined = await start();
  const { info } = current;
  const closing = new AbortController();
  let restarting: Promise<void> | undefined;
  let delay = FIRST_DELAY;
  let restarts = 0;
  let lastRun: Promise<unknown> = Promise.resolve();

  const watch = (predictor: StartedPredictor): void => {
    const since = performance.now();
    void predictor.lost.then(() => {
      current = undefined;
      if (performance.now() - since > HEALTHY_AFTER * 1000) delay = FIRST_DELAY;
      if (!closing.signal.aborted) restarting = restart();
    });
  };
  const restart = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await sleep(delay * 1000, undefined, { signal: closing.signal }).catch(() => undefined);
      delay = Math.min(2 * delay, LONGEST_DELAY);
      if (closing.signal.aborted) return;
      const started = await start().catch((error: unknown) => {
        warnOnce("WARN_MODEL_RESTART", `A lost model could not be started again: ${String(error)}`);
        return undefined;
      });
      if (started === undefined) continue;
      current = started;
      restarts++;
      watch(started);
      return;
    }
  };
  watch(current);

  return {
    info,
    get isReady() {
      return current !== undefined;
    },
    get restarts() {
      return restarts;
    },
    predict: async (inputs, options) => {
      const asked = current;
      if (asked === undefined)
        throw new ModelLostError("ERR_MODEL_LOST", "The model is being started again.");
      const run = asked.predict(inputs, options);
      let isOver = false;
      let timer: NodeJS.Timeout | undefined;
      // What is sent while the process is at work waits for it there, and that is not its own time.
      void lastRun.then(() => {
        if (!isOver) timer = setTimeout(() => void asked.close(), maxRunSeconds * 1000);
      });
      lastRun = Promise.allSettled([lastRun, run]);
      try {
        return await run;
      } finally {
        isOver = true;
        clearTimeout(timer);
      }
    },
    close: async () => {
      closing.abort();
      await restarting;
      await current?.close();
    },
  };
}
