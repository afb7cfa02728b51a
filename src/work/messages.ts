/** What a `Work` and its process tell each other, over Node's channel between a process and its child. */

/** To the process. */
export type ToProcess =
  { type: "start"; input: unknown } | { type: "stop" } | { type: "reply"; id: number; reply: Outcome };

/** From the process. */
export type FromProcess =
  | { type: "end"; outcome: Outcome }
  | { type: "message"; message: unknown }
  | { type: "request"; id: number; message: unknown };

/** How a call ended. Errors lose their class on the way, and keep the rest. */
export type Outcome = { value: unknown } | { error: FlatError };

/** What is told of an error. */
export interface FlatError {
  name: string;
  message: string;
  stack?: string;
  code?: string;
}

export function flattenError(error: unknown): FlatError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const code = (error as { code?: unknown }).code;
  return { name, message, ...(stack !== undefined && { stack }), ...(typeof code === "string" && { code }) };
}

/** An error that the other side threw, with its own stack. */
export function restoreError({ name, message, stack, code }: FlatError): Error {
  return Object.assign(new Error(message), {
    name,
    ...(stack !== undefined && { stack }),
    ...(code !== undefined && { code }),
  });
}

/** Runs a call and tells how it ended. */
export async function settle(call: () => unknown): Promise<Outcome> {
  try {
    return { value: await call() };
  } catch (error) {
    return { error: flattenError(error) };
  }
}
