/** Requests to the hub: with the token, through proxies, within a time, and again where that may help. */
import { setTimeout } from "node:timers/promises";
import type { EnvHttpProxyAgent, RequestInit, Response } from "undici";
import { HubError } from "../../errors.js";
import { lazyPackage } from "../../lazy_package.js";
import { VERSION } from "../../version.js";
import { warnOnce } from "../../warn.js";
import { hubHttpError, retryAfterSeconds, type HubTarget } from "./http_errors.js";
import type { HubSettings } from "./settings.js";

/** How a connection behaves when it fails; the defaults are those of Python's client. */
export interface ConnectionOptions {
  /** Attempts after the first. Default: 5. */
  retries?: number;
  /** The first wait, in seconds; each further one is twice as long, up to 8 s. Default: 1. */
  retryDelaySeconds?: number;
}

/** One request. */
export interface HubRequest {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  redirect?: "follow" | "manual";
  signal?: AbortSignal | undefined;
  /** Attempts after the first, where they differ from the connection's. */
  retries?: number;
}

const undici = lazyPackage<typeof import("undici")>("undici");

const RETRIED_STATUSES = [408, 429, 500, 502, 503, 504];
const LONGEST_DELAY_SECONDS = 8;
/** The hub's rate limits are over windows of five minutes. */
const LONGEST_WAIT_SECONDS = 300;
const WAIT_WORTH_A_WARNING_SECONDS = 5;

/** Talks to one hub with one token. */
export class HubConnection {
  readonly retries: number;
  readonly #endpoint: string;
  readonly #token: string | undefined;
  readonly #retryDelaySeconds: number;
  readonly #timeoutSeconds: number;
  readonly #dispatcher: EnvHttpProxyAgent;

  constructor(
    { endpoint, token, timeoutSeconds }: Pick<HubSettings, "endpoint" | "token" | "timeoutSeconds">,
    { retries = 5, retryDelaySeconds = 1 }: ConnectionOptions = {},
  ) {
    this.retries = retries;
    this.#endpoint = endpoint;
    this.#token = token;
    this.#retryDelaySeconds = retryDelaySeconds;
    this.#timeoutSeconds = timeoutSeconds;
    const timeout = timeoutSeconds * 1000;
    const { EnvHttpProxyAgent } = undici();
    this.#dispatcher = new EnvHttpProxyAgent({
      headersTimeout: timeout,
      bodyTimeout: timeout,
      connect: { timeout },
    });
  }

  /**
   * @returns a response of status 2xx or, with `redirect: "manual"`, 3xx
   * @throws HubError as `hubHttpError` makes it of other statuses, once no retry helped; `ERR_HUB_NETWORK` without an answer
   */
  async request(
    url: string,
    target: Omit<HubTarget, "endpoint" | "hasToken">,
    request: HubRequest = {},
  ): Promise<Response> {
    const { retries = this.retries, headers, ...rest } = request;
    const init: RequestInit = { ...rest, headers: this.#headers(url, headers), dispatcher: this.#dispatcher };
    for (let attempt = 0; ; attempt++) {
      const last = attempt >= retries;
      let response: Response;
      try {
        response = await undici().fetch(url, init);
      } catch (error) {
        request.signal?.throwIfAborted();
        if (last || isCertificateError(error)) throw this.networkError(url, error);
        await this.pause(attempt, request.signal);
        continue;
      }
      if (response.status < 400) return response;
      await response.body?.cancel();
      const wait = retryAfterSeconds(response.headers);
      if (last || !RETRIED_STATUSES.includes(response.status) || (wait ?? 0) > LONGEST_WAIT_SECONDS) {
        throw hubHttpError(response, {
          ...target,
          endpoint: this.#endpoint,
          hasToken: this.#token !== undefined,
        });
      }
      await this.pause(attempt, request.signal, wait);
    }
  }

  /** Waits before another attempt: as long as the server asks, else longer each time. */
  async pause(attempt: number, signal: AbortSignal | undefined, askedSeconds?: number): Promise<void> {
    const delay = Math.min(this.#retryDelaySeconds * 2 ** attempt, LONGEST_DELAY_SECONDS);
    const seconds = askedSeconds ?? delay;
    if (seconds > WAIT_WORTH_A_WARNING_SECONDS && askedSeconds !== undefined) {
      warnOnce("HUB_WAIT", `${this.#endpoint} asks to wait ${Math.ceil(seconds)} s before the next request.`);
    }
    await setTimeout(seconds * 1000, undefined, signal && { signal });
  }

  /** The error for a request without an answer, or with half of one. */
  networkError(url: string, cause: unknown): HubError {
    const { host } = new URL(url);
    const reason = describeNetworkError(cause, this.#timeoutSeconds);
    return new HubError(
      "ERR_HUB_NETWORK",
      `${host} could not be reached: ${reason}. Check the connection, HTTPS_PROXY and HF_ENDPOINT, and try again: a download ` +
        "goes on where it stopped. With HF_HUB_OFFLINE=1 only files in the cache are used.",
      { cause },
    );
  }

  /** The token is for the hub alone, wherever a link may lead. */
  #headers(url: string, headers: Record<string, string> = {}): Record<string, string> {
    const ours = new URL(url).origin === new URL(this.#endpoint).origin;
    return {
      "user-agent": `kindling/${VERSION}`,
      "accept-encoding": "identity",
      ...(ours && this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...headers,
    };
  }
}

function describeNetworkError(error: unknown, timeoutSeconds: number): string {
  const inner = innermost(error);
  const code = "code" in inner ? String(inner.code) : "";
  if (/TIMEOUT/.test(code)) return `nothing came for ${timeoutSeconds} s (${code})`;
  return inner.message === "" ? code : inner.message;
}

function isCertificateError(error: unknown): boolean {
  const inner = innermost(error);
  return "code" in inner && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(String(inner.code));
}

/** fetch hides the reason ("fetch failed") in the cause; several addresses that all failed are an AggregateError. */
function innermost(error: unknown): Error {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0]);
  if (error instanceof Error && error.cause instanceof Error) return innermost(error.cause);
  return error instanceof Error ? error : new Error(String(error));
}
