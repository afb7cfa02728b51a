/** Warnings: for what works but is probably not what was meant. They go the way of Node's own, to `process`. */

const seen = new Set<string>();

/**
 * Emits a `KindlingWarning` with a stable code, the first time that this message comes up in the process. Programs
 * listen with `process.on("warning", …)`; `node --no-warnings` silences them.
 */
export function warnOnce(code: string, message: string): void {
  if (seen.has(message)) return;
  seen.add(message);
  process.emitWarning(message, { type: "KindlingWarning", code });
}
