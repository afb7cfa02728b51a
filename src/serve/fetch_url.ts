/** Gets the bytes of a URL that a stranger gave, and never from an address that is not public. */
import { lookup as resolveName, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { DataError } from "../errors.js";
import { lazyPackage } from "../lazy_package.js";
import { RequestError } from "./request_error.js";

const undici = lazyPackage<typeof import("undici")>("undici");

/** Hops from the given URL to the one with the file. */
const MAX_REDIRECTS = 5;

/** Finds all addresses of a name. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

export interface UrlFetcherOptions {
  /** How names become addresses. Default: as the system does. */
  resolve?: Resolve;
  /** Which addresses may be asked. Default: `isPublicAddress`. */
  isAllowed?: (address: string) => boolean;
}

/** How much may be fetched for a request, all its URLs together, and until when. */
export interface FetchBudget {
  bytes: number;
  signal: AbortSignal;
}

export type UrlFetcher = (url: URL, budget: FetchBudget) => Promise<Uint8Array>;

/**
 * Whether an address belongs to the public internet: not private, loopback, link-local (where clouds keep their metadata),
 * unique local, carrier-grade, multicast, reserved, or any of these inside an IPv6 address.
 */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}

/**
 * The address that is checked is the one that is connected to: a name that resolves to another one a moment later gains
 * nothing. Each redirect is a new connection, and is checked as the first was.
 */
export function createUrlFetcher({
  resolve = resolveAll,
  isAllowed = isPublicAddress,
}: UrlFetcherOptions = {}): UrlFetcher {
  const { Agent, request } = undici();
  const agent = new Agent({
    connections: 16,
    connect: {
      lookup: (name, options, callback) => {
        resolve(name).then(
          (addresses) => {
            const bad = addresses.length === 0 || addresses.some(({ address }) => !isAllowed(address));
            if (bad) callback(refusal(), []);
            else if (options.all === true) callback(null, [...addresses]);
            else callback(null, addresses[0]!.address, addresses[0]!.family);
          },
          (error: NodeJS.ErrnoException) => callback(error, []),
        );
      },
    },
  });

  return async (url, budget) => {
    try {
      return await follow(url, budget);
    } catch (error) {
      throw explain(error, url, budget);
    }
  };

  async function follow(given: URL, budget: FetchBudget): Promise<Uint8Array> {
    let url = given;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      checkUrl(url, isAllowed);
      const { statusCode, headers, body } = await request(url, { dispatcher: agent, signal: budget.signal });
      // A body that is dropped half-way complains, and nobody else would hear it.
      body.on("error", () => undefined);
      const { location } = headers;
      if (statusCode >= 300 && statusCode < 400 && typeof location === "string") {
        body.destroy();
        if (!URL.canParse(location, url)) throw refusal();
        url = new URL(location, url);
        continue;
      }
      if (statusCode !== 200) {
        body.destroy();
        throw new DataError("ERR_DOWNLOAD_STATUS", `${given.href} answered with the status ${statusCode}.`);
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        budget.bytes -= chunk.length;
        if (budget.bytes < 0) {
          const message = `What the URLs of the request hold is too large at ${given.href}.`;
          throw new RequestError(413, "ERR_INPUT_LIMIT", message);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    }
    throw new DataError("ERR_DOWNLOAD_STATUS", `${given.href} redirects more than ${MAX_REDIRECTS} times.`);
  }
}

/** Addresses in a URL are never looked up. */
function checkUrl({ protocol, hostname }: URL, isAllowed: (address: string) => boolean): void {
  const address = hostname.replace(/^\[|\]$/g, "");
  const isWeb = protocol === "http:" || protocol === "https:";
  if (!isWeb || (isIP(address) !== 0 && !isAllowed(address))) throw refusal();
}

/** It does not say which address it was, for that would be news from inside. */
function refusal(): RequestError {
  const message = "A URL leads to an address that is not public. Send the file itself.";
  return new RequestError(400, "ERR_REQUEST_URL", message);
}

function explain(error: unknown, url: URL, { signal }: FetchBudget): unknown {
  const causes = error instanceof AggregateError ? error.errors : [error];
  const known = causes.find(
    (cause) => cause instanceof RequestError || cause instanceof DataError,
  ) as unknown;
  if (known instanceof RequestError) return known;
  if (signal.aborted) return signal.reason;
  if (known instanceof DataError) return new RequestError(422, known.code, known.message);
  return new RequestError(422, "ERR_DOWNLOAD_NETWORK", `${url.href} could not be fetched.`, { cause: error });
}

function resolveAll(name: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    resolveName(name, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}
