/** Where the hub is, where its cache lies, who asks and whether at all: options first, then the environment as Python's client reads it. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { ConfigurationError } from "../../errors.js";

/** How files are had from the hub. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default: the one behind an `@` in the repository's name, else `main`. */
  revision?: string;
  /**
   * An access token, for private and gated repositories. Default: `HF_TOKEN`, else what `hf auth login` has left in
   * `HF_HOME/token`.
   */
  token?: string;
  /** The cache folder. Default: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`. */
  cacheDir?: string;
  /** The hub's address. Default: `HF_ENDPOINT`, else `https://huggingface.co`. */
  endpoint?: string;
  /** Whether to look in the cache alone. Default: `HF_HUB_OFFLINE`. */
  localFilesOnly?: boolean;
}

/** What `HubOptions` and the environment come to. */
export interface HubSettings {
  readonly token: string | undefined;
  readonly cacheDir: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly localFilesOnly: boolean;
  /** Longest time without a byte: `HF_HUB_DOWNLOAD_TIMEOUT`, else 10. */
  readonly timeoutSeconds: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ConfigurationError `ERR_HUB_ENDPOINT` for an address that is none */
export function hubSettings(options: HubOptions = {}, environment: Environment = process.env): HubSettings {
  const home = hubHome(environment);
  const {
    token = environmentToken(home, environment),
    cacheDir = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE || join(home, "hub"),
    endpoint = environment.HF_ENDPOINT || "https://huggingface.co",
    localFilesOnly = isTrue(environment.HF_HUB_OFFLINE || environment.TRANSFORMERS_OFFLINE),
  } = options;
  return {
    token,
    cacheDir: resolve(expandUser(cacheDir)),
    endpoint: checkEndpoint(endpoint),
    localFilesOnly,
    timeoutSeconds: Number(environment.HF_HUB_DOWNLOAD_TIMEOUT) || 10,
  };
}

function hubHome(environment: Environment): string {
  const cache = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  return expandUser(environment.HF_HOME || join(cache, "huggingface"));
}

function environmentToken(home: string, environment: Environment): string | undefined {
  if (isTrue(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const token = environment.HF_TOKEN || environment.HUGGING_FACE_HUB_TOKEN;
  return token?.trim() || readToken(expandUser(environment.HF_TOKEN_PATH || join(home, "token")));
}

function readToken(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function checkEndpoint(endpoint: string): string {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new ConfigurationError(
      "ERR_HUB_ENDPOINT",
      `The hub's address is ${JSON.stringify(endpoint)}, which is no http(s) URL. Correct \`endpoint\` or HF_ENDPOINT.`,
    );
  }
  return endpoint.replace(/\/+$/, "");
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}

function expandUser(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}
