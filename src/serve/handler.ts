/** The server as a fetch handler: what each address answers. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { BlankEnv } from "hono/types";
import type { Answer } from "../catalog/predict_each.js";
import { optionTables } from "../catalog/option_tables.js";
import type { OptionTable } from "../catalog/option_table.js";
import { tasks } from "../catalog/tasks.js";
import { describeChoices, KindlingError } from "../errors.js";
import { VERSION } from "../version.js";
import { Batcher } from "./batcher.js";
import type { Predictor } from "./predictor.js";
import { readPredictRequest } from "./read_request.js";
import { RequestError, statusOf } from "./request_error.js";
import { resolveHandlerOptions, type HandlerOptions } from "./serve_options.js";

/** A server without a port: for Node's, Deno's or another's, that call `fetch`. */
export interface Handler {
  fetch: (request: Request) => Response | Promise<Response>;
  /** Refuses new requests with 503; resolves when those that were taken are answered. */
  drain: () => Promise<void>;
}

/** Answers addresses that say what the server is doing are open to all, for those who watch it have no token. */
const OPEN = new Set(["/health", "/ready"]);

/**
 * @param predictors by the names that requests call them; the first answers `/predict`
 * @throws ConfigurationError `ERR_SERVE_OPTION`
 */
export function createHandler(
  predictors: ReadonlyMap<string, Predictor>,
  options: HandlerOptions = {},
): Handler {
  const resolved = resolveHandlerOptions(options);
  const models = new Map(
    [...predictors].map(([name, predictor]) => [
      name,
      { info: predictor.info, table: tableOf(predictor), batcher: new Batcher(predictor, resolved) },
    ]),
  );
  const app = new Hono();
  let isDraining = false;
  let open = 0;
  let whenDone: (() => void) | undefined;

  app.onError((error, context) => answerError(context, error));
  app.notFound((context) =>
    answerError(context, new RequestError(404, "ERR_NOT_FOUND", `There is no ${context.req.path} here.`)),
  );
  if (resolved.token !== undefined) app.use(requireToken(resolved.token));
  app.use(
    bodyLimit({
      maxSize: resolved.maxBytes,
      onError: (context) => {
        const message = `The body is larger than ${resolved.maxBytes} bytes.`;
        return answerError(context, new RequestError(413, "ERR_INPUT_LIMIT", message));
      },
    }),
  );

  const predict = async (context: Context<BlankEnv, string>, name: string): Promise<Response> => {
    if (isDraining)
      throw new RequestError(503, "ERR_DRAINING", "The server is ending and takes no more requests.");
    const model = models.get(name);
    if (model === undefined) {
      const message = `There is no model ${JSON.stringify(name)}. ${describeChoices(name, [...models.keys()])}`;
      throw new RequestError(404, "ERR_MODEL_UNKNOWN", message);
    }
    open++;
    try {
      const { inputs, single, options } = await readPredictRequest(context.req, {
        kind: model.info.inputs,
        table: model.table,
        maxInputs: resolved.maxInputs,
        fetchUrl: undefined,
      });
      const timeout = AbortSignal.timeout(resolved.timeoutSeconds * 1000);
      const signal = AbortSignal.any([timeout, context.req.raw.signal]);
      const answers = await model.batcher.predict(inputs, options, signal).catch((error: unknown) => {
        if (!timeout.aborted) throw error;
        const message = `There was no answer within ${resolved.timeoutSeconds} s.`;
        throw new RequestError(504, "ERR_TIMEOUT", message);
      });
      return single
        ? answerOne(context, name, answers[0]!)
        : context.json({ model: name, predictions: answers });
    } finally {
      open--;
      if (open === 0) whenDone?.();
    }
  };

  const [first] = models.keys();
  app.post("/predict", (context) => predict(context, first!));
  app.post("/models/:name/predict", (context) => predict(context, context.req.param("name")));
  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get("/ready", (context) =>
    context.json({ status: isDraining ? "draining" : "ready" }, isDraining ? 503 : 200),
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

function answerError(context: Context, error: unknown): Response {
  if (error instanceof RequestError) {
    return context.json({ error: { code: error.code, message: error.message } }, error.status);
  }
  const code = error instanceof KindlingError ? error.code : "ERR_INTERNAL";
  return context.json({ error: { code, message: "The server could not answer." } }, 500);
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
