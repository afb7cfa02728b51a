/** The server as a fetch handler: what each address answers. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Hono, type Context } from "hono";
import type { BlankEnv } from "hono/types";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Answer } from "../catalog/predict_each.js";
import { optionTables } from "../catalog/option_tables.js";
import type { OptionTable } from "../catalog/option_table.js";
import { tasks } from "../catalog/tasks.js";
import { describeChoices, KindlingError } from "../errors.js";
import { VERSION } from "../version.js";
import { warnOnce } from "../warn.js";
import { Batcher } from "./batcher.js";
import { startDeadline } from "./deadline.js";
import { createUrlFetcher } from "./fetch_url.js";
import { ServerMetrics } from "./metrics.js";
import { describeServer } from "./openapi.js";
import { addPage, PAGE_PATHS } from "./page.js";
import { ModelLostError, type ModelInfo, type Predictor } from "./predictor.js";
import { readPredictRequest } from "./read_request.js";
import { RequestError, statusOf } from "./request_error.js";
import { resolveHandlerOptions, type HandlerOptions } from "./serve_options.js";

/** A server without a port: for Node's, Deno's or another's, that call `fetch`. */
export interface Handler {
  fetch: (request: Request) => Response | Promise<Response>;
  /** Refuses new requests with 503; resolves when those that were taken are answered. */
  drain: () => Promise<void>;
}

interface Model {
  info: ModelInfo;
  table: OptionTable;
  batcher: Batcher;
}

/** Those who watch the server have no token, and the page asks its user for it. */
const OPEN = new Set(["/health", "/ready", ...PAGE_PATHS]);

/**
 * Answers requests with models, for servers that call `fetch`.
 *
 * @param predictors by the names that requests call them; the first answers `/predict`
 * @throws ConfigurationError `ERR_SERVE_OPTION`
 */
export function createHandler(
  predictors: ReadonlyMap<string, Predictor>,
  options: HandlerOptions = {},
): Handler {
  const resolved = resolveHandlerOptions(options);
  const metrics: ServerMetrics = new ServerMetrics({
    waiting: () => [...models].map(([name, { batcher }]) => [name, batcher.waiting] as const),
    restarts: () => [...predictors].map(([name, { restarts = 0 }]) => [name, restarts] as const),
  });
  const models = new Map<string, Model>(
    [...predictors].map(([name, predictor]) => {
      const onBatch = (size: number, seconds: number) => metrics.countBatch(name, size, seconds);
      const batcher = new Batcher(predictor, { ...resolved, onBatch });
      return [name, { info: predictor.info, table: tableOf(predictor), batcher }];
    }),
  );
  const fetchUrl = resolved.allowUrls ? createUrlFetcher() : undefined;
  const app = new Hono();
  let isDraining = false;
  let open = 0;
  let whenDone: (() => void) | undefined;

  app.onError((error, context) => answerError(context, error));
  app.notFound((context) =>
    answerError(context, new RequestError(404, "ERR_NOT_FOUND", `There is no ${context.req.path} here.`)),
  );
  app.use(async (context, next) => {
    context.header("X-Content-Type-Options", "nosniff");
    await next();
    // A client that keeps its connection would send its next request to a server that is gone.
    if (isDraining) context.header("Connection", "close");
  });
  if (resolved.token !== undefined) app.use(requireToken(resolved.token));

  const findModel = (name: string): Model => {
    const model = models.get(name);
    if (model !== undefined) return model;
    const message = `There is no model ${JSON.stringify(name)}. ${describeChoices(name, [...models.keys()])}`;
    throw new RequestError(404, "ERR_MODEL_UNKNOWN", message);
  };

  const predict = async (context: Context<BlankEnv, string>, name: string): Promise<Response> => {
    if (isDraining) {
      throw new RequestError(503, "ERR_DRAINING", "The server is ending and takes no more requests.");
    }
    const { info, table, batcher } = findModel(name);
    const client = context.req.raw.signal;
    const deadline = startDeadline(resolved.timeoutSeconds, client);
    const { signal } = deadline;
    const budget = { bytes: resolved.maxBytes, signal };
    try {
      const { inputs, single, options } = await readPredictRequest(context.req, {
        kind: info.inputs,
        table,
        maxBytes: resolved.maxBytes,
        maxInputs: resolved.maxInputs,
        fetchUrl: fetchUrl && ((url) => fetchUrl(url, budget)),
      });
      const answers = await batcher.predict(inputs, options, signal);
      return single
        ? answerOne(context, name, answers[0]!)
        : context.json({ model: name, predictions: answers });
    } catch (error) {
      if (error instanceof RequestError) throw error;
      if (deadline.isTimeOver) {
        const message = `There was no answer within ${resolved.timeoutSeconds} s.`;
        throw new RequestError(504, "ERR_TIMEOUT", message);
      }
      if (client.aborted) throw new RequestError(CLIENT_GONE, "ERR_CLIENT_GONE", "The client has gone.");
      throw error;
    } finally {
      deadline.end();
    }
  };

  /** Counts a request from its head to its answer. */
  const measured = async (context: Context<BlankEnv, string>, name: string): Promise<Response> => {
    const start = performance.now();
    open++;
    let response: Response;
    try {
      response = await predict(context, name);
    } catch (error) {
      response = answerError(context, error);
    } finally {
      open--;
      if (open === 0) whenDone?.();
    }
    // Names that strangers make up are not counted one by one.
    const label = models.has(name) ? name : "unknown";
    metrics.countRequest(label, response.status, (performance.now() - start) / 1000);
    return response;
  };

  addPage(app);
  const [first] = models.keys();
  app.post("/predict", (context) => measured(context, first!));
  app.post("/models/:name/predict", (context) => measured(context, context.req.param("name")));
  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get("/ready", (context) => {
    const isStarting = [...predictors.values()].some(({ isReady = true }) => !isReady);
    const status = isDraining ? "draining" : isStarting ? "starting" : "ready";
    return context.json({ status }, status === "ready" ? 200 : 503);
  });
  app.get("/metrics", async (context) =>
    context.body(await metrics.text(), 200, { "Content-Type": metrics.contentType }),
  );
  app.get("/openapi.json", (context) =>
    context.json(describeServer({ models, hasToken: resolved.token !== undefined })),
  );
  app.get("/info", (context) =>
    context.json({
      kindling: VERSION,
      models: Object.fromEntries([...models].map(([name, { info }]) => [name, info])),
    }),
  );

  return {
    fetch: (request) => app.fetch(request),
    drain: async () => {
      isDraining = true;
      if (open > 0) await new Promise<void>((resolve) => (whenDone = resolve));
    },
  };
}

function tableOf({ info }: Predictor): OptionTable {
  const name = Object.values(tasks).find(({ className }) => className === info.task)?.predictOptions;
  return name === undefined ? [] : optionTables[name];
}

function answerOne(context: Context, model: string, answer: Answer): Response {
  if ("prediction" in answer) return context.json({ model, prediction: answer.prediction });
  return context.json({ error: answer.error }, statusOf(answer.error.code));
}

/** Nobody reads it; the metrics count it. The number is nginx's. */
const CLIENT_GONE = 499 as ContentfulStatusCode;

/** After how many seconds those that were turned away may ask again. */
const RETRY_AFTER = "1";

function answerError(context: Context, error: unknown): Response {
  const known = asRequestError(error);
  const { code, message, status } = known;
  if (status === 429 || status === 503) context.header("Retry-After", RETRY_AFTER);
  return context.json({ error: { code, message } }, status);
}

function asRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof ModelLostError) {
    return new RequestError(
      503,
      error.code,
      "The model was lost and is started again. Ask again in a moment.",
    );
  }
  const code = error instanceof KindlingError ? error.code : "ERR_INTERNAL";
  // Strangers are not told what went wrong inside; whoever runs the server is.
  warnOnce("WARN_REQUEST_FAILED", `A request could not be answered: ${String(error)}`);
  return new RequestError(500, code, "The server could not answer.", { cause: error });
}

/** Compares digests, whose lengths and times say nothing of the token. */
function requireToken(
  token: string,
): (context: Context, next: () => Promise<void>) => Promise<Response | void> {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(`Bearer ${token}`);
  return async (context, next) => {
    const given = digest(context.req.header("authorization") ?? "");
    if (OPEN.has(context.req.path) || timingSafeEqual(given, expected)) return next();
    context.header("WWW-Authenticate", "Bearer");
    return answerError(context, new RequestError(401, "ERR_TOKEN", "The token is missing or wrong."));
  };
}
