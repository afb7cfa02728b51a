/** Pictures from a server on this machine: what arrives, and every way in which it does not. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodeImage } from "../../src/data/index.js";
import { DataError } from "../../src/errors.js";
import { jpegOf } from "./image_files.js";
import { plain } from "./pictures.js";

let server: Server;
let base: string;

beforeAll(async () => {
  const image = await jpegOf(plain(30, 20, [10, 200, 30]));
  server = createServer((request, response) => {
    if (request.url === "/image.jpg") response.end(image);
    else if (request.url === "/text.jpg") response.end("<html>Not here</html>");
    else if (request.url === "/moved.jpg") response.writeHead(302, { location: "/image.jpg" }).end();
    else if (request.url === "/broken.jpg") {
      response.writeHead(200, { "content-length": String(image.length) });
      response.write(image.subarray(0, 100), () => response.destroy());
    } else if (request.url !== "/slow.jpg") response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function failure(url: string, options = {}): Promise<DataError> {
  const error: unknown = await decodeImage(url, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).path).toBe(url);
  return error as DataError;
}

it("decodes what a URL gives, after a redirection too", async () => {
  for (const name of ["image.jpg", "moved.jpg"]) {
    const { width, height } = await decodeImage(`${base}/${name}`);
    expect([width, height]).toEqual([30, 20]);
  }
});

it("names the HTTP status", async () => {
  const error = await failure(`${base}/none.jpg`);
  expect(error.code).toBe("ERR_DOWNLOAD_STATUS");
  expect(error.message).toContain("404 Not Found");
});

it("names the address of what is no image", async () => {
  expect((await failure(`${base}/text.jpg`)).code).toBe("ERR_IMAGE_FORMAT");
});

it("gives up after the time-out", async () => {
  const start = performance.now();
  expect((await failure(`${base}/slow.jpg`, { timeoutSeconds: 0.2 })).code).toBe("ERR_DOWNLOAD_TIMEOUT");
  expect(performance.now() - start).toBeLessThan(5000);
});

it("stops at the size limit", async () => {
  expect((await failure(`${base}/image.jpg`, { maxBytes: 100 })).code).toBe("ERR_DOWNLOAD_SIZE");
});

it("reports a connection that breaks off or is refused", async () => {
  expect((await failure(`${base}/broken.jpg`)).code).toBe("ERR_DOWNLOAD_NETWORK");
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, "close");
  const error = await failure(`http://127.0.0.1:${port}/a.jpg`);
  expect(error.code).toBe("ERR_DOWNLOAD_NETWORK");
  expect(error.message).toContain("ECONNREFUSED");
});
