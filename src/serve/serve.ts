/** Starts models, listens on a port, and ends without losing what was taken. */
import { basename, extname } from "node:path";
import { ConfigurationError } from "../errors.js";
import { createHandler } from "./handler.js";
import { keepPredictor } from "./keep_predictor.js";
import { listen, type RunningServer } from "./listen.js";
import { startPredictor, type Predictor } from "./predictor.js";
import { checkPort, resolveHandlerOptions, type ServeOptions } from "./serve_options.js";

/** A run is given up when it takes this many times as long as the longest request. */
const RUNS = 2;

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
  checkPort(port);
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
    const server = await listen(createHandler(predictors, options), { port, hostname, timeoutSeconds });
    return { url: server.url, close: () => server.close().finally(closeAll) };
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
