/** A logger on the ranks that do not write: it has its names and folders, and does nothing. */
import type { Logger } from "./logger.js";

/** The logger as it is, and of its class, but for its methods, which do nothing. */
export function silent<T extends Logger>(logger: T): T {
  return new Proxy(logger, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" && key !== "constructor" ? () => undefined : value;
    },
  });
}
