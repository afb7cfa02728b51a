/** What the hub tells of repositories and their files. */
import { HubError, describeChoices } from "../../errors.js";
import type { HubConnection, HubRequest } from "./connection.js";
import { isCommit } from "./cache.js";
import type { Repository } from "./repository.js";

/** What a file at a revision is. */
export interface FileMetadata {
  readonly commit: string;
  /** Names the content: the SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string;
  /** In bytes. */
  readonly size: number | undefined;
}

/** What a repository at a revision is. */
export interface Listing {
  readonly commit: string;
  /** Paths with slashes. */
  readonly files: readonly string[];
}

const MOST_REDIRECTS = 5;
const MOST_FILES_LISTED = 12;

/**
 * The address of a file's content.
 *
 * @throws HubError `ERR_HUB_FILE` for a path that would leave its folder
 */
export function fileUrl(endpoint: string, { id, revision }: Repository, file: string): string {
  const parts = file.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || /[\\:\0]/.test(part))) {
    throw new HubError("ERR_HUB_FILE", `${JSON.stringify(file)} is no path of a file inside ${id}.`);
  }
  return `${endpoint}/${id}/resolve/${encodeURIComponent(revision)}/${parts.map(encodeURIComponent).join("/")}`;
}

/**
 * Asks for a file's headers. A large file is answered with a redirect to where its content lies, and only the redirect says
 * what the content is; a repository that was renamed redirects to its new name.
 *
 * @throws HubError as `HubConnection.request`; `ERR_HUB_RESPONSE` where it is not a hub that answers
 */
export async function fetchMetadata(
  connection: HubConnection,
  endpoint: string,
  repository: Repository,
  file: string,
  request: HubRequest = {},
): Promise<FileMetadata> {
  let url = fileUrl(endpoint, repository, file);
  let commit: string | null = null;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const { status, headers } = await connection.request(
      url,
      { repository, file },
      { ...request, method: "HEAD", redirect: "manual" },
    );
    commit ??= headers.get("x-repo-commit");
    const linked = headers.get("x-linked-etag");
    const location = headers.get("location");
    if (status >= 300 && linked === null && location !== null) {
      url = new URL(location, url).href;
      continue;
    }
    const etag = (linked ?? headers.get("etag"))?.replace(/^W\//, "").replaceAll('"', "");
    const size = headers.get("x-linked-size") ?? (status < 300 ? headers.get("content-length") : null);
    if (commit === null || !isCommit(commit) || etag === undefined || !/^[\w-][\w.-]*$/.test(etag)) break;
    return { commit, etag, size: size === null ? undefined : Number(size) };
  }
  throw notAHub(endpoint, `${file} of ${repository.id}`);
}

/**
 * The commit that a revision is at, and its files.
 *
 * @throws HubError as `HubConnection.request`; `ERR_HUB_RESPONSE` where it is not a hub that answers
 */
export async function fetchListing(
  connection: HubConnection,
  endpoint: string,
  repository: Repository,
  request: HubRequest = {},
): Promise<Listing> {
  const { modelInfo } = await import("@huggingface/hub");
  const fetch = ((url: string) =>
    connection.request(url, { repository }, request)) as unknown as typeof globalThis.fetch;
  const { sha, filePaths } = await modelInfo({
    name: repository.id,
    revision: repository.revision,
    hubUrl: endpoint,
    additionalFields: ["sha", "filePaths"],
    fetch,
  }).catch((error: unknown) => {
    throw error instanceof SyntaxError ? notAHub(endpoint, repository.id, error) : error;
  });
  if (typeof sha !== "string" || !isCommit(sha)) throw notAHub(endpoint, repository.id);
  return { commit: sha, files: filePaths };
}

/** The error for a file that its repository does not have, with those that it has. */
export function missingFile(error: HubError, file: string, files: readonly string[]): HubError {
  const name = file.split("/").at(-1)!;
  const extension = name.slice(name.lastIndexOf("."));
  const alike = files.filter((other) => other.endsWith(extension));
  const shown = (alike.length > 0 ? alike : files).slice(0, MOST_FILES_LISTED);
  const message = shown.length === 0 ? "The repository is empty." : describeChoices(file, shown);
  return new HubError(error.code, `${error.message} ${message}`, { status: error.status!, cause: error });
}

function notAHub(endpoint: string, what: string, cause?: unknown): HubError {
  return new HubError(
    "ERR_HUB_RESPONSE",
    `${endpoint} did not answer as a Hugging Face hub does when asked for ${what}. A proxy, a login page or a wrong ` +
      "HF_ENDPOINT may stand in the way.",
    { cause },
  );
}
