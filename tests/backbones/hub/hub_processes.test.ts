/** Downloads by processes of their own: two at once, one that is killed, one behind a proxy. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleProgram } from "../../../bench/bundle.js";
import { HubServer } from "../../support/hub_server.js";

const MODEL = Buffer.alloc(2_000_000, "kindling ");
const ETAG = createHash("sha256").update(MODEL).digest("hex");
const MINUTE = 60_000;

let server: HubServer;
let cacheDir: string;
let environment: NodeJS.ProcessEnv;

beforeEach(async () => {
  server = await HubServer.start();
  server.add("kindling/tiny", { files: { "model.onnx": MODEL } });
  cacheDir = mkdtempSync(join(tmpdir(), "kindling-hub-"));
  environment = { ...process.env, HF_ENDPOINT: server.endpoint, HF_HUB_CACHE: cacheDir, HF_HOME: cacheDir };
});

afterEach(async () => {
  await server.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

const program = bundleProgram(join(import.meta.dirname, "download_process.ts"));

async function downloadInProcess(more: NodeJS.ProcessEnv = {}): Promise<string> {
  const env = { ...environment, ...more };
  return (await promisify(execFile)(process.execPath, [program], { env })).stdout;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(20);
}

describe("processes", () => {
  it("that want the same file download it once", { timeout: 2 * MINUTE }, async () => {
    const paths = await Promise.all([downloadInProcess(), downloadInProcess()]);
    expect(paths[0]).toBe(paths[1]);
    expect(MODEL.equals(readFileSync(paths[0]))).toBe(true);
    expect(server.downloads("model.onnx")).toHaveLength(1);
  });

  it(
    "that are killed leave no lock, and a part that the next goes on with",
    { timeout: 2 * MINUTE },
    async () => {
      const partial = join(cacheDir, "models--kindling--tiny", "blobs", `${ETAG}.incomplete`);
      server.faults.push({ match: /^GET \/cdn/, stallAfter: 700_000 });
      const child = spawn(process.execPath, [program], { env: environment });
      await until(() => existsSync(partial) && statSync(partial).size === 700_000);
      child.kill("SIGKILL");
      expect(existsSync(join(cacheDir, "models--kindling--tiny", "snapshots"))).toBe(false);

      expect(MODEL.equals(readFileSync(await downloadInProcess()))).toBe(true);
      expect(server.downloads("model.onnx").at(-1)!.range).toBe("bytes=700000-");
      expect(readdirSync(join(cacheDir, "models--kindling--tiny", "blobs"))).toEqual([ETAG]);
    },
  );

  it("go through the proxy that the environment names", { timeout: 2 * MINUTE }, async () => {
    const tunnels: string[] = [];
    const proxy: Server = createServer();
    proxy.on("connect", (request, client, head) => {
      tunnels.push(request.url!);
      const [host, port] = request.url!.split(":");
      const target = connect(Number(port), host, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        target.write(head);
        target.pipe(client).pipe(target);
      });
    });
    await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await downloadInProcess({ HTTP_PROXY: address, http_proxy: address, NO_PROXY: "", no_proxy: "" });
    proxy.closeAllConnections();
    proxy.close();
    expect(tunnels).toContain(new URL(server.endpoint).host);
  });
});
