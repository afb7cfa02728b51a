/** Lets the event loop turn between steps: timers fire, sockets are served, pictures are decoded. */
import { setImmediate } from "node:timers/promises";

/** A frame of a screen. Quick steps share one turn, for each costs a step up to a tenth of a millisecond and its caches. */
const MILLISECONDS_BETWEEN_TURNS = 16;

let lastTurn = 0;

export async function nextTurn(): Promise<void> {
  if (performance.now() - lastTurn < MILLISECONDS_BETWEEN_TURNS) return;
  await setImmediate();
  lastTurn = performance.now();
}
