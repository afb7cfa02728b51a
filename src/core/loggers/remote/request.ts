/** Requests to a tracking server that are tried again while it cannot be reached. */
import { setTimeout } from "node:timers/promises";
import { LoggerError } from "../../../errors.js";

/** Options of requests that are tried again. */
export interface RetryOptions {
  /** Seconds after which a request counts as failed. Default: 10. */
  timeout?: number;
  /** How often a failed request is made again: where there is no answer, or one of status 408, 429 or 5xx. Default: 4. */
  maxRetries?: number;
  /** Seconds before the first retry; each further one waits twice as long. Default: 0.5. */
  backoff?: number;
}

export interface JsonRequest {
  method: "GET" | "POST";
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  body?: unknown;
}

/** The server's answer: what its JSON says, whatever the status was. */
export interface JsonResponse {
  status: number;
  body: Record<string, unknown>;
}

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/**
 * @returns the answer, also one of status 400 to 499: what that means is the caller's business
 * @throws LoggerError `ERR_LOGGER_CONNECTION` with the last reason when all tries have failed
 */
export async function requestJson(
  request: JsonRequest,
  { timeout = 10, maxRetries = 4, backoff = 0.5 }: RetryOptions = {},
): Promise<JsonResponse> {
  for (let retry = 0; ; retry++) {
    const answer = await tryOnce(request, timeout);
    if (typeof answer !== "string") return answer;
    if (retry >= maxRetries) throw connectionError(request.url, answer, retry + 1);
    await setTimeout(backoff * 1000 * 2 ** retry);
  }
}

/** @returns the reason as text where it may be better the next time */
async function tryOnce({ method, url, headers, body }: JsonRequest, timeout: number) {
  try {
    const response = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeout * 1000),
    });
    const text = await response.text();
    if (RETRIED.has(response.status))
      return `it answered with status ${response.status}${text && `, ${text}`}`;
    return { status: response.status, body: parseBody(text) };
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error
      ? `${message}: ${cause.message || String((cause as NodeJS.ErrnoException).code)}`
      : message;
  }
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : { message: text };
  } catch {
    return { message: text };
  }
}

function connectionError(url: string, reason: string, tries: number): LoggerError {
  const { origin } = new URL(url);
  return new LoggerError(
    "ERR_LOGGER_CONNECTION",
    `${origin} could not be reached in ${tries} tries: ${reason}. Check the address and that the server runs.`,
  );
}
