/**
 * A server that answers as the Hugging Face hub does: repositories with commits, small files by themselves and large ones by
 * a redirect to another host, with the headers, error codes and ranges of the real one.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A model repository, with its files at one commit. */
export interface HubRepository {
  /** Path to content. Those in `large` are stored apart, as by Git LFS. */
  files: Record<string, string | Uint8Array>;
  /** Default: files that end in `.onnx` or `.safetensors`. */
  large?: (path: string) => boolean;
  /** Names of the commit besides its hash. Default: `main`. */
  branches?: string[];
  /** Who may read it. Default: everybody. */
  access?: "public" | "gated" | "private";
  /** The name that it has now: requests are redirected there. */
  movedTo?: string;
}

/** What goes wrong with the next request whose `METHOD path` matches. */
export interface Fault {
  match: RegExp;
  /** How many requests it befalls. Default: 1. */
  times?: number;
  status?: number;
  headers?: Record<string, string>;
  /** The connection is cut after this many bytes of the body. */
  cutAfter?: number;
  /** Nothing comes after this many bytes of the body, and the connection stays. */
  stallAfter?: number;
  /** Never answers. */
  hang?: boolean;
  /** Answers 200 with everything, whatever range is asked for. */
  ignoreRange?: boolean;
  /** Changes the content on its way. */
  corrupt?: (content: Buffer) => Buffer;
}

/** A repository with what is told of it. */
interface StoredRepository extends HubRepository {
  commit: string;
  contents: Record<string, { content: Buffer; gitHash: string; sha256: string }>;
}

/** A request as it came. */
export interface SeenRequest {
  host: "hub" | "cdn";
  method: string;
  /** Decoded, without the query. */
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

const VALID_TOKEN = "hf_valid";
const NOT_ALLOWED_TOKEN = "hf_other";

export class HubServer {
  /** Sees everything. */
  static readonly validToken = VALID_TOKEN;
  /** A user without access to gated repositories. */
  static readonly otherToken = NOT_ALLOWED_TOKEN;

  readonly requests: SeenRequest[] = [];
  readonly faults: Fault[] = [];
  readonly #repositories = new Map<string, StoredRepository>();
  readonly #hub: Server;
  readonly #cdn: Server;
  endpoint = "";
  /** Another host, as far as credentials go. */
  #cdnEndpoint = "";

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer("hub", request, response));
    this.#cdn = createServer((request, response) => this.#answer("cdn", request, response));
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    server.endpoint = await listen(server.#hub);
    server.#cdnEndpoint = await listen(server.#cdn);
    return server;
  }

  add(id: string, repository: HubRepository): void {
    const commit = createHash("sha1").update(id);
    const contents = Object.fromEntries(
      Object.entries(repository.files).map(([path, data]) => {
        const content = Buffer.from(data);
        const stored = { content, gitHash: gitHash(content), sha256: sha256(content) };
        commit.update(path).update(stored.gitHash);
        return [path, stored];
      }),
    );
    this.#repositories.set(id, { ...repository, contents, commit: commit.digest("hex") });
  }

  /** The commit that a repository is at; it changes with the files. */
  commit(id: string): string {
    return this.#repositories.get(id)!.commit;
  }

  /** The requests for a file's content, in order. */
  downloads(file: string): SeenRequest[] {
    return this.requests.filter(({ method, path, host }) => {
      const content = host === "cdn" || !this.#isLarge(path);
      return method === "GET" && content && path.endsWith(`/${file}`);
    });
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #isLarge(path: string): boolean {
    return [...this.#repositories].some(
      ([id, { files }]) =>
        path.startsWith(`/${id}/resolve/`) &&
        Object.keys(files).some((file) => path.endsWith(`/${file}`) && this.#storedApart(id, file)),
    );
  }

  #storedApart(id: string, file: string): boolean {
    const { large = (path) => /\.(onnx|safetensors)$/.test(path) } = this.#repositories.get(id)!;
    return large(file);
  }

  #answer(host: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, "http://localhost");
    const path = decodeURIComponent(url.pathname);
    const method = request.method!;
    const { range, authorization } = request.headers;
    this.requests.push({ host, method, path, range, authorization });
    const fault = this.#faultFor(`${method} ${path}`);
    if (fault?.hang) return;
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end();
    } else if (host === "cdn") {
      const [, id, file] = /^\/cdn\/([^/]+\/[^/]+)\/(.*)$/.exec(path)!;
      this.#send(request, response, this.#repositories.get(id!)!.contents[file!]!.content, {}, fault);
    } else {
      this.#answerHub(url.pathname, request, response, fault);
    }
  }

  #faultFor(request: string): Fault | undefined {
    const fault = this.faults.find(({ match }) => match.test(request));
    if (fault === undefined) return undefined;
    const left = (fault.times ?? 1) - 1;
    if (left > 0) fault.times = left;
    else this.faults.splice(this.faults.indexOf(fault), 1);
    return fault;
  }

  #answerHub(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const route =
      /^\/api\/models\/(?<id>[^/]+\/[^/]+)\/revision\/(?<revision>.+)$/.exec(path)?.groups ??
      /^\/(?<id>[^/]+\/[^/]+)\/resolve\/(?<revision>[^/]+)\/(?<file>.+)$/.exec(path)?.groups;
    const id = route?.id;
    const repository = id === undefined ? undefined : this.#repositories.get(id);
    const token = request.headers.authorization?.replace(/^Bearer /, "");
    if (token !== undefined && ![VALID_TOKEN, NOT_ALLOWED_TOKEN].includes(token)) {
      return refuse(response, 401, { "X-Error-Message": "Invalid credentials in Authorization header" });
    }
    if (repository?.movedTo !== undefined) {
      response.writeHead(307, { Location: request.url!.replace(id!, repository.movedTo) }).end();
      return;
    }
    const isHidden = repository?.access === "private" && token !== VALID_TOKEN;
    if (repository === undefined || isHidden) {
      const code = token === undefined ? 401 : 404;
      return refuse(response, code, {
        "X-Error-Code": "RepoNotFound",
        "X-Error-Message": "Repository not found",
      });
    }
    const { branches = ["main"], files, access, commit } = repository;
    const revision = decodeURIComponent(route!.revision!);
    const file = route!.file && decodeURIComponent(route!.file);
    if (![...branches, commit].includes(revision)) {
      const message = `Invalid rev id: ${revision}`;
      return refuse(response, 404, { "X-Error-Code": "RevisionNotFound", "X-Error-Message": message });
    }
    if (file === undefined) return sendInfo(response, id!, commit, Object.keys(files));
    if (access === "gated" && token !== VALID_TOKEN) {
      const status = token === undefined ? 401 : 403;
      return refuse(response, status, {
        "X-Error-Code": "GatedRepo",
        "X-Error-Message": `Access to model ${id} is restricted`,
      });
    }
    if (files[file] === undefined) {
      return refuse(response, 404, {
        "X-Error-Code": "EntryNotFound",
        "X-Error-Message": "Entry not found",
        "X-Repo-Commit": commit,
      });
    }
    this.#sendFile(id!, file, request, response, fault);
  }

  #sendFile(
    id: string,
    file: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const { commit, contents } = this.#repositories.get(id)!;
    const { content, gitHash, sha256 } = contents[file]!;
    const common = { "X-Repo-Commit": commit };
    if (!this.#storedApart(id, file)) {
      this.#send(request, response, content, { ...common, ETag: `"${gitHash}"` }, fault);
      return;
    }
    response
      .writeHead(302, {
        ...common,
        Location: `${this.#cdnEndpoint}/cdn/${id}/${file}?X-Signature=1`,
        "X-Linked-Etag": `"${sha256}"`,
        "X-Linked-Size": String(content.length),
        ETag: `"of-the-redirect"`,
      })
      .end();
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    content: Buffer,
    headers: Record<string, string>,
    fault: Fault | undefined,
  ): void {
    const body = fault?.corrupt?.(content) ?? content;
    const range = fault?.ignoreRange ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const start = range === null ? 0 : Number(range[1]);
    if (range !== null && start >= body.length) {
      response.writeHead(416, { "Content-Range": `bytes */${body.length}` }).end();
      return;
    }
    const part = body.subarray(start);
    response.writeHead(range === null ? 200 : 206, {
      ...headers,
      "Accept-Ranges": "bytes",
      "Content-Length": part.length,
      ...(range !== null && { "Content-Range": `bytes ${start}-${body.length - 1}/${body.length}` }),
    });
    if (request.method === "HEAD") response.end();
    else if (fault?.stallAfter !== undefined) response.write(part.subarray(0, fault.stallAfter));
    else if (fault?.cutAfter === undefined) response.end(part);
    else response.write(part.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 20));
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The name that git gives a file's content. */
export function gitHash(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function sendInfo(response: ServerResponse, id: string, commit: string, files: string[]): void {
  const info = { _id: "0", id, sha: commit, siblings: files.map((rfilename) => ({ rfilename })) };
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(info));
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string>): void {
  response.writeHead(status, headers).end();
}
