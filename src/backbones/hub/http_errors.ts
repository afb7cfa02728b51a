/** What the hub's refusals mean, and what can be done about them. */
import { HubError } from "../../errors.js";
import type { Repository } from "./repository.js";

/** What was asked for, and by whom. */
export interface HubTarget {
  readonly endpoint: string;
  readonly repository: Repository;
  readonly file?: string | undefined;
  readonly hasToken: boolean;
}

/** The parts of a response that tell. */
interface Refusal {
  readonly status: number;
  readonly statusText: string;
  readonly headers: { get(name: string): string | null };
}

const INVALID_TOKEN = "Invalid credentials in Authorization header";
const TOKEN_HELP =
  "set HF_TOKEN, give the option `token`, or run `hf auth login`; tokens are made at https://huggingface.co/settings/tokens";

/**
 * The error for a response that is no success. The hub says why in `X-Error-Code`; without a token it answers 401 for
 * private repositories and for those that do not exist alike.
 */
export function hubHttpError(refusal: Refusal, target: HubTarget): HubError {
  const { status, headers } = refusal;
  const { endpoint, repository, file, hasToken } = target;
  const { id, revision } = repository;
  const code = headers.get("x-error-code");
  const detail = headers.get("x-error-message");
  const said = detail === null ? "" : ` The hub says: ${detail}.`.replace("..", ".");
  const fail = (name: string, message: string): HubError => new HubError(name, message, { status });

  if (code === "GatedRepo" || (status === 403 && code === null && file !== undefined && hasToken)) {
    const access = hasToken
      ? "The token that was sent belongs to a user without access"
      : `No token was sent: ${TOKEN_HELP}`;
    return fail(
      "ERR_HUB_GATED",
      `${id} is gated (HTTP ${status}): its publisher asks you to accept terms. Do so at ${endpoint}/${id}, with the user ` +
        `that the token belongs to. ${access}.${said}`,
    );
  }
  if (status === 401 && (detail === INVALID_TOKEN || (hasToken && code === null))) {
    return fail(
      "ERR_HUB_UNAUTHORIZED",
      `The hub does not accept the token that was sent (HTTP 401). Replace it: ${TOKEN_HELP}.`,
    );
  }
  if (code === "RevisionNotFound") {
    return fail(
      "ERR_HUB_REVISION",
      `${id} has no revision ${JSON.stringify(revision)} (HTTP ${status}). Give a branch, a tag or a commit that ` +
        `${endpoint}/${id}/tree/main shows.`,
    );
  }
  if (code === "EntryNotFound" || (status === 404 && code === null && file !== undefined)) {
    return fail("ERR_HUB_FILE", `${id} has no file ${file} at revision ${revision} (HTTP ${status}).`);
  }
  if (code === "RepoNotFound" || status === 401 || status === 404) {
    const hidden = hasToken
      ? "Or it is private, and the token that was sent may not read it."
      : `Or it is private: ${TOKEN_HELP}.`;
    return fail(
      "ERR_HUB_REPOSITORY",
      `There is no repository ${id} at ${endpoint} (HTTP ${status}). Check its spelling, upper and lower case included. ${hidden}`,
    );
  }
  if (status === 403) {
    return fail(
      "ERR_HUB_FORBIDDEN",
      `The hub refuses access to ${id} (HTTP 403).${said} Check the token's permissions.`,
    );
  }
  if (status === 429) {
    const wait = retryAfterSeconds(headers);
    const when = wait === undefined ? "Try again later" : `Try again in ${Math.ceil(wait)} s`;
    const more = hasToken ? "" : `; with a token the limit is higher: ${TOKEN_HELP}`;
    return fail(
      "ERR_HUB_RATE_LIMIT",
      `The hub has had too many requests from here (HTTP 429). ${when}${more}.`,
    );
  }
  const what = file === undefined ? id : `${file} of ${id}`;
  if (status >= 500) {
    return fail(
      "ERR_HUB_SERVER",
      `The hub could not answer for ${what} (HTTP ${status} ${refusal.statusText}), several times over. Try again later; ` +
        "https://status.huggingface.co shows its state.",
    );
  }
  return fail(
    "ERR_HUB_RESPONSE",
    `The hub answered the request for ${what} with HTTP ${status} ${refusal.statusText}.${said}`,
  );
}

/** How long the server asks to wait: `Retry-After` in seconds or as a date, or the hub's `RateLimit` with `t=` seconds. */
export function retryAfterSeconds(headers: Refusal["headers"]): number | undefined {
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null) {
    const seconds = /^\d+$/.test(retryAfter)
      ? Number(retryAfter)
      : (Date.parse(retryAfter) - Date.now()) / 1000;
    if (!Number.isNaN(seconds)) return Math.max(0, seconds);
  }
  const reset = /;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "");
  return reset === null ? undefined : Number(reset[1]);
}
