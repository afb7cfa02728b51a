/**
 * Threads that belong to one session and look for the next operator for a moment before they sleep. Between two operators
 * they are then awake, where waking a thread takes as long as a small operator: a training step of MobileNetV2 is a tenth
 * shorter. A session's threads are no use to another, so that only as many sessions get some as a process can afford.
 */
import { computeThreads } from "./environment.js";

/** In training twenty do nearly as well; on slow cores an inference, with longer gaps between large operators, wants hundreds. */
export const LIVELY_MICROSECONDS = "400";

/** Of all sessions of this JavaScript thread. Containers often allow a thousand or two in all. */
const MOST = 256;

let taken = 0;

/**
 * Takes threads for a session.
 * @returns how many compute in it, with the one that runs it; undefined where it has to share
 */
export function takeThreads(): number | undefined {
  const threads = computeThreads();
  if (threads === 1 || taken + threads - 1 > MOST) return undefined;
  taken += threads - 1;
  return threads;
}

/** Gives back what `takeThreads` has given, when the session has ended. */
export function giveThreads(threads: number): void {
  taken -= threads - 1;
}
