/** Lets the event loop turn between steps: timers fire, sockets are served, pictures are decoded. */
import { setImmediate } from "node:timers/promises";

export async function nextTurn(): Promise<void> {
  await setImmediate();
}
