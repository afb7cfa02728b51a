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

/** The status of an input that could not be used. */
export function statusOf(code: string): ContentfulStatusCode {
  return code === "ERR_INPUT_LIMIT" ? 413 : 422;
}
