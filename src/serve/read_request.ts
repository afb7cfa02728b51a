/** Reads inputs and options out of a request: JSON, a form, or one input as the body. Nothing in it is ever taken for a path. */
import type { HonoRequest } from "hono";
import type { OptionTable } from "../catalog/option_table.js";
import { findFault, readOption } from "../catalog/option_values.js";
import { ConfigurationError, describeChoices } from "../errors.js";
import type { Input, ModelInfo } from "./predictor.js";
import { readBody } from "./read_body.js";
import { RequestError } from "./request_error.js";

/** What a request asks for. */
export interface PredictRequest {
  inputs: Input[];
  /** Whether it gave one input and gets one answer. */
  single: boolean;
  options: Record<string, unknown>;
}

export interface ReadOptions {
  kind: ModelInfo["inputs"];
  /** The options that the task's predictions take. */
  table: OptionTable;
  maxBytes: number;
  maxInputs: number;
  /** Gets the bytes of a URL; undefined where URLs are not taken. */
  fetchUrl: ((url: URL) => Promise<Uint8Array>) | undefined;
}

/** Options that a server decides itself. */
const OWN = new Set(["maxBytes", "maxDecodedSeconds", "timeoutSeconds"]);

/** The options that a request may set. */
export function serverOptions(table: OptionTable): OptionTable {
  return table.filter(({ name }) => !OWN.has(name));
}

/** @throws RequestError 400 for what cannot be read, 413 for too many inputs, 415 for a type that is not taken */
export async function readPredictRequest(
  request: HonoRequest<string>,
  options: ReadOptions,
): Promise<PredictRequest> {
  const type = (request.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  const read = await readInputs(request, type, options);
  const query = Object.entries(request.query()).map(([name, text]): [string, unknown] => [name, text]);
  const { inputs } = read;
  if (inputs.length === 0) throw new RequestError(400, "ERR_REQUEST_INPUT", "The request holds no input.");
  if (inputs.length > options.maxInputs) {
    const message = `The request holds ${inputs.length} inputs; this server takes up to ${options.maxInputs} at once.`;
    throw new RequestError(413, "ERR_INPUT_LIMIT", message);
  }
  return { ...read, options: { ...checkOptions(options.table, query), ...read.options } };
}

async function readInputs(
  request: HonoRequest<string>,
  type: string,
  options: ReadOptions,
): Promise<PredictRequest> {
  const read = (): Promise<Uint8Array> => readBody(request, options.maxBytes);
  if (type === "application/json") return readJson(decodeText(await read()), options);
  if (type === "multipart/form-data") {
    return readForm(await read(), request.header("content-type")!, options);
  }
  const isText = type === "text/plain";
  if (isText !== (options.kind === "texts") || type === "") {
    throw new RequestError(
      415,
      "ERR_REQUEST_TYPE",
      `This model takes ${options.kind}: as application/json, multipart/form-data or ` +
        `${options.kind === "texts" ? "text/plain" : "the bytes of a file with its type"}, not ${type || "a body without a type"}.`,
    );
  }
  const bytes = await read();
  const input = isText ? decodeText(bytes) : bytes;
  const inputs = input.length === 0 ? [] : [input];
  return { inputs, single: true, options: {} };
}

/** What is no UTF-8 is replaced. */
function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function readJson(text: string, options: ReadOptions): Promise<PredictRequest> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new RequestError(400, "ERR_REQUEST_JSON", `The body is no JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
  const { input, inputs, options: given = {} } = isRecord(body) ? body : {};
  if ((input === undefined) === (inputs === undefined)) {
    const message = 'The body holds either "input" or "inputs": {"input": "…", "options": {…}}.';
    throw new RequestError(400, "ERR_REQUEST_INPUT", message);
  }
  const single = input !== undefined;
  const values: unknown = single ? [input] : inputs;
  if (!Array.isArray(values) || values.some((value) => typeof value !== "string")) {
    const message = `"input" is a string and "inputs" an array of strings: ${expected(options)}.`;
    throw new RequestError(400, "ERR_REQUEST_INPUT", message);
  }
  if (!isRecord(given)) throw new RequestError(400, "ERR_REQUEST_OPTION", '"options" is an object.');
  const read = await Promise.all((values as string[]).map((value) => readString(value, options)));
  return { inputs: read, single, options: checkOptions(options.table, Object.entries(given)) };
}

function expected({ kind, fetchUrl }: ReadOptions): string {
  if (kind === "texts") return "texts";
  return `files as base64 or data: URLs${fetchUrl === undefined ? "" : ", or http(s) URLs"}`;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

async function readString(value: string, options: ReadOptions): Promise<Input> {
  if (options.kind === "texts") return value;
  if (/^https?:/i.test(value)) {
    if (options.fetchUrl !== undefined && URL.canParse(value)) return options.fetchUrl(new URL(value));
    throw new RequestError(400, "ERR_REQUEST_URL", "This server takes no URLs: send the file itself.");
  }
  const data = /^data:[^,]*;base64,/.exec(value);
  const base64 = (data === null ? value : value.slice(data[0].length)).replace(/\s/g, "");
  if (base64 !== "" && base64.length % 4 !== 1 && BASE64.test(base64)) return Buffer.from(base64, "base64");
  throw new RequestError(
    400,
    "ERR_REQUEST_INPUT",
    `An input is no base64: this model takes ${expected(options)}.`,
  );
}

/** Files are inputs; so are fields named `input` where the model takes texts. Other fields are options. */
async function readForm(body: Uint8Array, type: string, options: ReadOptions): Promise<PredictRequest> {
  const response = new Response(body as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } });
  const form = await response.formData().catch((cause: unknown) => {
    const message = `The form cannot be read: ${(cause as Error).message}.`;
    throw new RequestError(400, "ERR_REQUEST_FORM", message, { cause });
  });
  const inputs: Input[] = [];
  const given: [string, unknown][] = [];
  for (const [name, value] of form.entries()) {
    if (typeof value !== "string") {
      const bytes = new Uint8Array(await value.arrayBuffer());
      inputs.push(options.kind === "texts" ? decodeText(bytes) : bytes);
    } else if (name === "input") inputs.push(await readString(value, options));
    else given.push([name, value]);
  }
  return { inputs, single: inputs.length === 1, options: checkOptions(options.table, given) };
}

/** @throws RequestError 400 for an option that there is not, or a value that it cannot have */
function checkOptions(table: OptionTable, given: readonly [string, unknown][]): Record<string, unknown> {
  const known = serverOptions(table);
  const options: [string, unknown][] = [];
  for (const [name, value] of given) {
    const entry = known.find((entry) => entry.name === name);
    const refuse = (problem: string): never => {
      throw new RequestError(400, "ERR_REQUEST_OPTION", `${name}: ${problem}`);
    };
    if (entry === undefined) {
      return refuse(
        `there is no such option. ${describeChoices(
          name,
          known.map((entry) => entry.name),
        )}`,
      );
    }
    if (typeof value !== "string") {
      const fault = findFault(entry, value);
      if (fault !== undefined) refuse(fault);
      options.push([name, value]);
      continue;
    }
    try {
      options.push([name, readOption(entry, value)]);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      refuse(error.message);
    }
  }
  return Object.fromEntries(options);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
