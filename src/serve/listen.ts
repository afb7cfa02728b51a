/** Puts a handler behind a port of Node's, with limits on clients that are slow. */
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import type { Handler } from "./handler.js";

/** How long a client may take to send its request's head, in seconds. */
const HEAD_SECONDS = 10;
/** How often Node looks for clients that are too slow, in milliseconds. */
const LOOK_EVERY = 500;

/**
 * How long a server that ends still listens, in milliseconds. Connections that are kept alive may have a request on its
 * way, which is refused with 503; closing them at once would lose it.
 */
const LINGER = 500;

/** A server that runs. */
export interface RunningServer {
  /** Where it is, such as `http://127.0.0.1:8000`. */
  url: string;
  /** Refuses new requests for half a second, answers those it took, and ends. */
  close: () => Promise<void>;
}

export interface ListenOptions {
  port: number;
  hostname: string;
  /** How long a client may take to send its request, in seconds. */
  timeoutSeconds: number;
}

/** @throws Error of Node where the port cannot be had */
export async function listen(
  handler: Handler,
  { port, hostname, timeoutSeconds }: ListenOptions,
): Promise<RunningServer> {
  const server = createAdaptorServer({
    fetch: handler.fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: Math.min(HEAD_SECONDS, timeoutSeconds) * 1000,
      requestTimeout: timeoutSeconds * 1000,
      connectionsCheckingInterval: LOOK_EVERY,
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${taken}`,
    close: async () => {
      await Promise.all([handler.drain(), sleep(LINGER)]);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      if ("closeIdleConnections" in server) server.closeIdleConnections();
      await closed;
    },
  };
}
