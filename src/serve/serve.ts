/** Listens on a port, and ends without losing what it took. */
import { basename, extname } from "node:path";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { ConfigurationError } from "../errors.js";
import { createHandler } from "./handler.js";
import { keepPredictor } from "./keep_predictor.js";
import { startPredictor, type Predictor } from "./predictor.js";
import { resolveHandlerOptions, type ServeOptions } from "./serve_options.js";

/** How long a client may take to send its request's head, in seconds. */
const HEAD_SECONDS = 10;
/** How often Node looks for clients that are too slow, in milliseconds. */
const LOOK_EVERY = 500;
/** A run is given up when it takes this many times as long as the longest request. */
const RUNS = 2;

/** A server that runs. */
export interface RunningServer {
  /** Where it is, such as `http://127.0.0.1:8000`. */
  url: string;
  /** Takes no more requests, answers those it took, and ends. */
  close: () => Promise<void>;
}

/**
 * Serves trained tasks, each in a process of its own: `POST /predict` asks the first, `POST /models/NAME/predict` the others.
 *
 * @param models the files of saved tasks, called by their names without ending; or files by name
 * @throws KindlingError as loading the tasks does, and `ERR_SERVE_OPTION`
 */
export async function serve(
  models: string | readonly string[] | Readonly<Record<string, string>>,
  { port = 8000, hostname = "127.0.0.1", ...options }: ServeOptions = {},
): Promise<RunningServer> {
  const limits = resolveHandlerOptions(options);
  const paths = nameModels(models);
  const predictors = new Map<string, Predictor>();
  const closeAll = () => Promise.all([...predictors.values()].map((predictor) => predictor.close()));
  try {
    const { maxPixels, maxSeconds, timeoutSeconds } = limits;
    for (const [name, path] of paths) {
      const start = () => startPredictor({ path, maxPixels, maxSeconds });
      predictors.set(name, await keepPredictor(start, { maxRunSeconds: RUNS * timeoutSeconds }));
    }
    const handler = createHandler(predictors, options);
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
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        await handler.drain();
        if ("closeIdleConnections" in server) server.closeIdleConnections();
        await closed;
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function nameModels(
  models: string | readonly string[] | Readonly<Record<string, string>>,
): Map<string, string> {
  const isNamed = typeof models === "object" && !Array.isArray(models);
  const entries: [string, string][] = isNamed
    ? Object.entries(models as Record<string, string>)
    : [models as string | string[]].flat().map((path) => [basename(path, extname(path)), path]);
  const named = new Map(entries);
  if (named.size === entries.length && named.size > 0) return named;
  throw new ConfigurationError(
    "ERR_SERVE_OPTION",
    named.size === 0
      ? "There is no model to serve."
      : `Two models have the same name: ${entries.map(([name]) => name).join(", ")}. Give them as { name: path }.`,
  );
}
