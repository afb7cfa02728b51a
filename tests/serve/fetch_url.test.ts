/** URLs that strangers give: which addresses are asked, and which never. */
import type { LookupAddress } from "node:dns";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createUrlFetcher, isPublicAddress, type UrlFetcherOptions } from "../../src/serve/fetch_url.js";
import type { RequestError } from "../../src/serve/request_error.js";

const servers: Server[] = [];

async function listen(answer: RequestListener): Promise<{ port: number; hits: string[] }> {
  const hits: string[] = [];
  const server = createServer((request, response) => {
    hits.push(request.url!);
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, hits };
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const at = (address: string): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 });
/** The machine's own server stands for a public one under the name `public.test`. */
const asPublic: UrlFetcherOptions = {
  resolve: async (name) => [at(name === "public.test" ? "127.0.0.1" : "10.0.0.1")],
  isAllowed: (address) => address === "127.0.0.1",
};

async function get(
  url: string,
  options: UrlFetcherOptions = {},
  bytes = 1000,
  seconds = 5,
): Promise<string | { status: number; code: string }> {
  const budget = { bytes, signal: AbortSignal.timeout(seconds * 1000) };
  return createUrlFetcher(options)(new URL(url), budget).then(
    (body) => new TextDecoder().decode(body),
    (error: RequestError) => ({ status: error.status, code: error.code }),
  );
}
const refused = { status: 400, code: "ERR_REQUEST_URL" };

it.each([
  ["8.8.8.8", true],
  ["2606:4700::1111", true],
  ["127.0.0.1", false],
  ["0.0.0.0", false],
  ["10.1.2.3", false],
  ["172.16.0.1", false],
  ["192.168.1.1", false],
  ["169.254.169.254", false],
  ["100.64.0.1", false],
  ["198.18.0.1", false],
  ["224.0.0.1", false],
  ["255.255.255.255", false],
  ["::1", false],
  ["::", false],
  ["fe80::1", false],
  ["fc00::1", false],
  ["fd12:3456::1", false],
  ["::ffff:127.0.0.1", false],
  ["::ffff:10.0.0.1", false],
  ["64:ff9b::7f00:1", false],
  ["2002:7f00:1::", false],
  ["2001:0:7f00:1::", false],
  ["ff02::1", false],
  ["no address", false],
])("isPublicAddress(%s) is %s", (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});

describe("never asks", () => {
  it.each([
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://0x7f.1:PORT/",
    "http://2130706433:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::1]:PORT/",
    "http://0:PORT/",
  ])("%s", async (url) => {
    const { port, hits } = await listen((_, response) => response.end("secret"));
    expect(await get(url.replace("PORT", String(port)))).toEqual(refused);
    expect(hits).toEqual([]);
  });

  it("what is not http", async () => {
    expect(await get("file:///etc/passwd")).toEqual(refused);
    expect(await get("ftp://8.8.8.8/")).toEqual(refused);
  });

  it("a name of which any address is private", async () => {
    const resolve = async () => [at("8.8.8.8"), at("10.0.0.1")];
    expect(await get("http://mixed.test/", { resolve })).toEqual(refused);
  });

  it("the second address of a name that changes between the check and the connection", async () => {
    const { port, hits } = await listen((_, response) => response.end("secret"));
    const asked: string[] = [];
    // A name server of the attacker: public at first, then the machine itself. Nobody answers at the public one.
    const resolve = async (name: string) => {
      asked.push(name);
      return [at(asked.length === 1 ? "192.0.2.1" : "127.0.0.1")];
    };
    const isAllowed = (address: string) => address === "192.0.2.1";
    const answer = await get(`http://rebinding.test:${port}/`, { resolve, isAllowed }, 1000, 0.5);
    expect(answer).not.toBe("secret");
    expect({ asked, hits }).toEqual({ asked: ["rebinding.test"], hits: [] });
  });

  it("where a public address redirects to, if that is not", async () => {
    const inside = await listen((_, response) => response.end("secret"));
    for (const location of [
      `http://private.test:${inside.port}/`,
      `http://[::1]:${inside.port}/`,
      "file:///etc/passwd",
      "http://169.254.169.254/latest/meta-data/",
      "http://[",
    ]) {
      const outside = await listen((_, response) => response.writeHead(302, { location }).end());
      expect(await get(`http://public.test:${outside.port}/`, asPublic)).toEqual(refused);
      expect(outside.hits).toEqual(["/"]);
    }
    expect(inside.hits).toEqual([]);
  });
});

describe("gets", () => {
  it("a file, also behind a redirect", async () => {
    const { port, hits } = await listen((request, response) =>
      request.url === "/old" ? response.writeHead(301, { location: "/new" }).end() : response.end("a file"),
    );
    expect(await get(`http://public.test:${port}/old`, asPublic)).toBe("a file");
    expect(hits).toEqual(["/old", "/new"]);
  });

  it("no more than the request may have", async () => {
    const { port } = await listen((_, response) => response.end("x".repeat(2000)));
    const answer = await get(`http://public.test:${port}/`, asPublic);
    expect(answer).toEqual({ status: 413, code: "ERR_INPUT_LIMIT" });
  });

  it("nothing from endless redirects, errors, and nobody", async () => {
    const { port } = await listen((request, response) =>
      request.url === "/" ? response.writeHead(302, { location: "/" }).end() : response.writeHead(404).end(),
    );
    const status = { status: 422, code: "ERR_DOWNLOAD_STATUS" };
    expect(await get(`http://public.test:${port}/`, asPublic)).toEqual(status);
    expect(await get(`http://public.test:${port}/none`, asPublic)).toEqual(status);
    const resolve = () => Promise.reject(new Error("ENOTFOUND"));
    expect(await get("http://nobody.test/", { resolve })).toEqual({
      status: 422,
      code: "ERR_DOWNLOAD_NETWORK",
    });
  });

  it("nothing from one who never answers", async () => {
    const { port } = await listen(() => undefined);
    const start = performance.now();
    await get(`http://public.test:${port}/`, asPublic, 1000, 0.2);
    expect(performance.now() - start).toBeLessThan(3000);
  });
});
