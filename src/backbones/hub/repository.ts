/** Names of repositories on the Hugging Face hub. */
import { ConfigurationError } from "../../errors.js";

/** A model repository at a revision. */
export interface Repository {
  /** `organisation/name`, or the bare name of an old repository without one. */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** Letters, digits, `-`, `_` and `.`; the hub allows neither `--` nor `..`, and no `-` or `.` at either end. */
const PART = String.raw`(?![-.])(?!(?:[\w.-]*)(?:--|\.\.))[\w.-]{1,96}(?<![-.])`;
const ID = new RegExp(`^(?:${PART}/)?${PART}$`);
const ID_WITH_OWNER = new RegExp(`^${PART}/${PART}$`);
const DEFAULT_REVISION = "main";

/**
 * Whether a text has the form of a repository with its owner, `organisation/name`, with or without `@revision`, or begins
 * with `hf://`. A relative path of two parts has that form too.
 */
export function looksLikeRepository(text: string): boolean {
  return text.startsWith("hf://") || ID_WITH_OWNER.test(text.split("@", 1)[0]!);
}

/**
 * @param text `organisation/name`, `organisation/name@revision`, or either behind `hf://`
 * @param revision the revision where the text names none. Default: `main`.
 * @throws ConfigurationError `ERR_HUB_ID` for another form, or where both name different revisions
 */
export function parseRepository(text: string, revision?: string): Repository {
  const [id, ...rest] = text.replace(/^hf:\/\/(models\/)?/, "").split("@");
  const named = rest.length === 0 ? undefined : rest.join("@");
  if (!ID.test(id!) || named === "" || !isRevision(named ?? revision ?? DEFAULT_REVISION)) {
    throw new ConfigurationError(
      "ERR_HUB_ID",
      `${JSON.stringify(text)} names no model on the Hugging Face hub. Expected "organisation/name" or ` +
        '"organisation/name@revision", such as "microsoft/resnet-18" or "microsoft/resnet-18@main".',
    );
  }
  if (named !== undefined && revision !== undefined && named !== revision) {
    throw new ConfigurationError(
      "ERR_HUB_ID",
      `${JSON.stringify(text)} names the revision ${named}, but \`revision\` is ${JSON.stringify(revision)}. Give one of them.`,
    );
  }
  return { id: id!, revision: named ?? revision ?? DEFAULT_REVISION };
}

/** Git's rules for references, as far as they keep a name inside its folder. */
function isRevision(revision: string): boolean {
  return /^[^\s~^:?*[\\]+$/.test(revision) && !/(^\/|\/$|\.\.|\/\/|^-)/.test(revision);
}
