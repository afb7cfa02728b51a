/** What is wrong with a request, with the status that says so. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { KindlingError } from "../errors.js";

export class RequestError extends KindlingError {
  readonly status: ContentfulStatusCode;

  constructor(status: ContentfulStatusCode, code: string, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.status = status;
  }
}

/** What inputs get that are larger than the server takes; the second is the decoder's. */
const LIMITS = ["ERR_INPUT_LIMIT", "ERR_AUDIO_LIMIT"];

/** The status of an input that could not be used. */
export function statusOf(code: string): ContentfulStatusCode {
  return LIMITS.includes(code) ? 413 : 422;
}
