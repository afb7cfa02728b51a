/** Puts a handler behind a port of Node's, with limits on clients that are slow. */
import { Server as NetServer, type AddressInfo } from "node:net";
import { setImmediate as turnOfEventLoop, setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import type { Handler } from "./handler.js";

/** How long a client may take to send its request's head, in seconds. */
const HEAD_SECONDS = 10;
/** How often Node looks for clients that are too slow, in milliseconds. */
const LOOK_EVERY = 500;

/** A server that ends closes its kept connections when no request has come over them for so long, in milliseconds. */
const QUIET = 500;

/** A server that runs. */
export interface RunningServer {
  /** Where it is, such as `http://127.0.0.1:8000`. */
  url: string;
  /** Takes no more connections, answers the requests it took, refuses what comes over kept connections, and ends. */
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
  let requests = 0;
  server.on("request", () => requests++);
  const untilQuiet = async (): Promise<void> => {
    for (let seen = -1; seen !== requests;) {
      seen = requests;
      await sleep(QUIET);
      // A process that got no time has not looked yet for what came in the meantime.
      await turnOfEventLoop();
    }
  };
  return {
    url: `http://${host}:${taken}`,
    close: async () => {
      // HTTP's own `close` would also end kept connections, over which requests may be on their way.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      await Promise.all([handler.drain(), untilQuiet()]);
      if ("closeIdleConnections" in server) server.closeIdleConnections();
      await closed;
      server.close();
    },
  };
}
