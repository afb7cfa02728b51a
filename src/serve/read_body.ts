/** Reads the body of a request, and stops where it is too large. */
import type { HonoRequest } from "hono";
import { RequestError } from "./request_error.js";

/**
 * Where the head says the length, nothing larger is read. Counting a body without one makes a web stream of it, which costs
 * more than all else that is done for a request.
 *
 * @throws RequestError 413
 */
export async function readBody(request: HonoRequest<string>, maxBytes: number): Promise<Uint8Array> {
  const length = request.header("content-length");
  const isKnown = length !== undefined && request.header("transfer-encoding") === undefined;
  if (isKnown && Number(length) > maxBytes) throw tooLarge(maxBytes);
  return isKnown ? new Uint8Array(await request.arrayBuffer()) : readCounted(request.raw.body, maxBytes);
}

async function readCounted(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Left where it is when there is too much: cancelling would close the connection before the answer.
  const reader = body?.getReader();
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    size += next.value.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(next.value);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): RequestError {
  return new RequestError(413, "ERR_INPUT_LIMIT", `The body is larger than ${maxBytes} bytes.`);
}
