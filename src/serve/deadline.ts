/** How long a request may be worked on: until its time is over, or until its client has gone. */

export interface Deadline {
  /** Aborts when the time is over or the client has gone. */
  readonly signal: AbortSignal;
  /** Whether the time was over first. */
  readonly isTimeOver: boolean;
  /** Lets the timer and the client's signal go: what hangs on them would stay in memory until the time is over. */
  end: () => void;
}

export function startDeadline(seconds: number, client: AbortSignal): Deadline {
  const controller = new AbortController();
  let isTimeOver = false;
  const leave = (): void => controller.abort(client.reason);
  const timer = setTimeout(() => {
    isTimeOver = !controller.signal.aborted;
    controller.abort(new DOMException("The time is over.", "TimeoutError"));
  }, seconds * 1000);
  if (client.aborted) leave();
  else client.addEventListener("abort", leave, { once: true });
  return {
    signal: controller.signal,
    get isTimeOver() {
      return isTimeOver;
    },
    end: () => {
      clearTimeout(timer);
      client.removeEventListener("abort", leave);
    },
  };
}
