/** The server's description in OpenAPI 3.1, made of the models it serves and the tables of their options. */
import type { OptionEntry, OptionTable, ValueKind } from "../catalog/option_table.js";
import { VERSION } from "../version.js";
import type { ModelInfo } from "./predictor.js";
import { serverOptions } from "./read_request.js";

type Json = Record<string, unknown>;

const KINDS: Record<ValueKind, Json> = {
  boolean: { type: "boolean" },
  number: { type: "number" },
  string: { type: "string" },
  numbers: { type: "array", items: { type: "number" } },
  strings: { type: "array", items: { type: "string" } },
};

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Json): Json => ({ "application/json": { schema } });

/** What may come instead of an answer. */
const PROBLEMS: Readonly<Record<number, string>> = {
  400: "The request cannot be understood, or an option cannot be used.",
  401: "The token is missing or wrong.",
  404: "There is no such model.",
  413: "The body, the inputs, the pixels or the seconds are too many.",
  415: "This model does not take bodies of this type.",
  422: "The input cannot be used: it is no picture or sound, or is damaged.",
  429: "Too many inputs wait already: ask again after the seconds in Retry-After.",
  503: "The server is ending, or the model is being started again.",
  504: "There was no answer in time.",
};

export interface Description {
  models: ReadonlyMap<string, { info: ModelInfo; table: OptionTable }>;
  hasToken: boolean;
}

export function describeServer({ models, hasToken }: Description): Json {
  const [first] = models;
  const paths = Object.fromEntries(
    [...models].map(([name, model]) => [
      `/models/${encodeURIComponent(name)}/predict`,
      predictPath(name, model),
    ]),
  );
  return {
    openapi: "3.1.0",
    info: { title: "Kindling", version: VERSION, description: "Predictions of trained tasks." },
    ...(hasToken && { security: [{ bearer: [] }] }),
    paths: {
      ...(first && { "/predict": predictPath(first[0], first[1], "predict") }),
      ...paths,
      "/health": open(read("health", "Whether the server runs.")),
      "/ready": open(read("ready", "Whether it takes requests.", { 503: "Not now." })),
      "/info": read("info", "The models, with their tasks and classes."),
      "/metrics": read("metrics", "Measurements, as Prometheus reads them.", {}, { "text/plain": {} }),
      "/openapi.json": read("openapi", "This description."),
    },
    components: {
      schemas: {
        Problem: object({ error: object({ code: { type: "string" }, message: { type: "string" } }) }),
        Classification: object({
          label: { type: "string" },
          score: { type: "number", minimum: 0, maximum: 1 },
          classId: { type: "integer" },
        }),
      },
      ...(hasToken && { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } }),
    },
  };
}

/** An operation that needs no token. */
function open(path: { get: Json }): Json {
  return { get: { ...path.get, security: [] } };
}

function read(
  operationId: string,
  summary: string,
  others: Readonly<Record<number, string>> = {},
  content: Json = { "application/json": {} },
): { get: Json } {
  const problems = Object.entries(others).map(([status, description]) => [status, { description }]);
  return {
    get: {
      operationId,
      summary,
      responses: { 200: { description: "So it is.", content }, ...Object.fromEntries(problems) },
    },
  };
}

function predictPath(
  name: string,
  { info, table }: { info: ModelInfo; table: OptionTable },
  operationId = `predict ${name}`,
): Json {
  const known = serverOptions(table);
  const options = Object.fromEntries(known.map((entry) => [entry.name, schemaOf(entry)]));
  const input = inputSchema(info.inputs);
  const body = {
    type: "object",
    oneOf: [{ required: ["input"] }, { required: ["inputs"] }],
    properties: {
      input,
      inputs: { type: "array", items: input },
      options: { type: "object", properties: options, additionalProperties: false },
    },
  };
  const prediction = predictionSchema(info.task);
  const problem = { content: json(reference("Problem")) };
  return {
    post: {
      operationId,
      summary: `Predictions of ${name}, a ${info.task}.`,
      parameters: known.map((entry) => ({
        name: entry.name,
        in: "query",
        description: entry.description,
        schema: schemaOf(entry, false),
        style: "form",
        explode: false,
      })),
      requestBody: { required: true, content: { ...json(body), ...rawBodies(info.inputs) } },
      responses: {
        200: {
          description:
            "One prediction for `input` and for a body that is an input, one for each of `inputs`.",
          content: json({
            oneOf: [
              object({ model: { type: "string" }, prediction }),
              object({
                model: { type: "string" },
                predictions: {
                  type: "array",
                  items: { oneOf: [object({ prediction }), reference("Problem")] },
                },
              }),
            ],
          }),
        },
        ...Object.fromEntries(
          Object.entries(PROBLEMS).map(([status, description]) => [status, { description, ...problem }]),
        ),
      },
    },
  };
}

function rawBodies(kind: ModelInfo["inputs"]): Json {
  const form = { type: "object", additionalProperties: true };
  const files: Record<ModelInfo["inputs"], Json> = {
    texts: { "text/plain": { schema: { type: "string" } } },
    pictures: { "image/*": {}, "application/octet-stream": {} },
    sounds: { "audio/*": {}, "application/octet-stream": {} },
  };
  return { "multipart/form-data": { schema: form }, ...files[kind] };
}

function inputSchema(kind: ModelInfo["inputs"]): Json {
  if (kind === "texts") return { type: "string", description: "A text." };
  return {
    type: "string",
    contentEncoding: "base64",
    description: `One of the ${kind}, or a data: URL of it.`,
  };
}

function predictionSchema(task: string): Json {
  const isClassifier = task.endsWith("Classifier") && task !== "TokenClassifier";
  if (!isClassifier) return task === "SpeechRecognizer" ? { type: "object" } : { type: "array" };
  const classification = reference("Classification");
  return {
    anyOf: [classification, { type: "array", items: { anyOf: [classification, { type: "number" }] } }],
  };
}

function schemaOf({ kinds, choices = [], description }: OptionEntry, isDescribed = true): Json {
  const schemas = kinds.map((kind) => KINDS[kind]);
  if (choices.length > 0) schemas.push({ enum: [...choices] });
  const schema = schemas.length === 1 ? schemas[0]! : { anyOf: schemas };
  return isDescribed ? { ...schema, description } : { ...schema };
}

function object(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties) };
}
