/** What a server can be told. */
import { ConfigurationError } from "../errors.js";

/** Limits of what a server takes. */
export interface ServeLimits {
  /** The largest body of a request, in bytes. Default: 16 MiB. */
  maxBytes?: number;
  /** The most inputs of one request. Default: 64. */
  maxInputs?: number;
  /** Pictures with more pixels are refused before they are decoded. Default: 50 million. */
  maxPixels?: number;
  /** Longer sounds are refused, in seconds. Default: 300. */
  maxSeconds?: number;
  /** Inputs that may wait for a model; more are refused with 429. Default: 256. */
  maxQueue?: number;
  /** How long a request may take, in seconds, before it is given up with 504. Default: 30. */
  timeoutSeconds?: number;
}

/** How inputs of different requests are answered together. */
export interface BatchingOptions {
  /** The most inputs of one run of the model. Default: 32; 1 for no batching. */
  maxBatchSize?: number;
  /** How long the first input of a batch waits for others, in milliseconds. Default: 2. */
  maxWaitMs?: number;
}

/** Options of a server's handler. */
export interface HandlerOptions extends ServeLimits, BatchingOptions {
  /** Requests must carry it as `Authorization: Bearer TOKEN`. Default: none, everybody may ask. */
  token?: string;
  /** Whether inputs may be http and https URLs, of public addresses only. Default: false. */
  allowUrls?: boolean;
}

/** Options of `serve`. */
export interface ServeOptions extends HandlerOptions {
  /** Default: 8000. 0 takes any that is free. */
  port?: number;
  /** The address to listen on. Default: 127.0.0.1, which other machines cannot reach; `0.0.0.0` for all. */
  hostname?: string;
}

export type ResolvedHandlerOptions = Required<Omit<HandlerOptions, "token">> & Pick<HandlerOptions, "token">;

/** @throws ConfigurationError `ERR_SERVE_OPTION` */
export function resolveHandlerOptions({
  maxBytes = 16 * 2 ** 20,
  maxInputs = 64,
  maxPixels = 50_000_000,
  maxSeconds = 300,
  maxQueue = 256,
  timeoutSeconds = 30,
  maxBatchSize = 32,
  maxWaitMs = 2,
  token,
  allowUrls = false,
}: HandlerOptions): ResolvedHandlerOptions {
  const positive = { maxBytes, maxInputs, maxPixels, maxSeconds, maxQueue, timeoutSeconds, maxBatchSize };
  for (const [name, value] of Object.entries(positive)) {
    if (!(value > 0)) refuse(`\`${name}\` is a number above 0, not ${value}.`);
  }
  if (!(maxWaitMs >= 0)) refuse(`\`maxWaitMs\` is a number from 0 up, not ${maxWaitMs}.`);
  if (token === "") refuse("`token` is empty, which would let nobody in.");
  return { ...positive, maxWaitMs, token, allowUrls };
}

/** @throws ConfigurationError `ERR_SERVE_OPTION` */
export function checkPort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return;
  refuse(`\`port\` is a whole number from 0 to 65535, not ${port}.`);
}

function refuse(message: string): never {
  throw new ConfigurationError("ERR_SERVE_OPTION", message);
}
