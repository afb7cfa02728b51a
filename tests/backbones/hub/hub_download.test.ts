/** Downloads against a server that behaves as the hub does: layout of the cache, resuming, checks, retries, refusals. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Hub, type TransferOptions } from "../../../src/backbones/hub/hub.js";
import type { DownloadProgress } from "../../../src/backbones/hub/file_progress.js";
import { downloadProgressBar } from "../../../src/backbones/hub/progress_bar.js";
import { parseRepository } from "../../../src/backbones/hub/repository.js";
import { hubSettings, type HubOptions } from "../../../src/backbones/hub/settings.js";
import { gitHash, HubServer } from "../../support/hub_server.js";

const ID = "kindling/tiny";
const CONFIG = JSON.stringify({ model_type: "resnet" });
/** Several chunks long, no two of them alike. */
const MODEL = Buffer.concat(
  Array.from({ length: 40_000 }, (_, i) => createHash("sha256").update(String(i)).digest()),
);
const MODEL_SHA256 = createHash("sha256").update(MODEL).digest("hex");

let server: HubServer;
let cacheDir: string;

beforeEach(async () => {
  server = await HubServer.start();
  server.add(ID, { files: { "config.json": CONFIG, "onnx/model.onnx": MODEL } });
  cacheDir = mkdtempSync(join(tmpdir(), "kindling-hub-"));
});

afterEach(async () => {
  await server.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

function hub(options: HubOptions = {}, environment: Record<string, string> = {}): Hub {
  const settings = hubSettings(
    { endpoint: server.endpoint, cacheDir, ...options },
    { HF_HOME: cacheDir, HF_HUB_DOWNLOAD_TIMEOUT: "0.5", ...environment },
  );
  return new Hub(settings, { retries: 3, retryDelaySeconds: 0.01 });
}

function download(file: string, options: HubOptions & TransferOptions = {}, id = ID): Promise<string> {
  return hub(options).file(parseRepository(id, options.revision), file, options);
}

function folder(): string {
  return join(cacheDir, "models--kindling--tiny");
}

describe("the cache folder", () => {
  it("has the layout that all clients share", async () => {
    const commit = server.commit(ID);
    const path = await download("onnx/model.onnx");
    expect(path).toBe(join(folder(), "snapshots", commit, "onnx", "model.onnx"));
    expect(MODEL.equals(readFileSync(path))).toBe(true);
    expect(readlinkSync(path)).toBe(join("..", "..", "..", "blobs", MODEL_SHA256));
    expect(readFileSync(join(folder(), "refs", "main"), "utf8")).toBe(commit);

    const config = await download("config.json");
    expect(readlinkSync(config)).toBe(join("..", "..", "blobs", gitHash(Buffer.from(CONFIG))));
    expect(readdirSync(join(folder(), "blobs")).sort()).toEqual(
      [MODEL_SHA256, gitHash(Buffer.from(CONFIG))].sort(),
    );
    expect(readdirSync(join(cacheDir, ".locks", "models--kindling--tiny"))).toContain(`${MODEL_SHA256}.lock`);
  });

  it("uses a file that Python's client has put there", async () => {
    const commit = server.commit(ID);
    const snapshot = join(folder(), "snapshots", commit, "onnx");
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(snapshot, "model.onnx"), MODEL);
    await download("onnx/model.onnx");
    expect(server.downloads("onnx/model.onnx")).toHaveLength(0);
  });

  it("downloads a content once that two commits share", async () => {
    await download("onnx/model.onnx");
    server.add(ID, { files: { "config.json": "{}", "onnx/model.onnx": MODEL } });
    const path = await download("onnx/model.onnx");
    expect(path).toContain(server.commit(ID));
    expect(server.downloads("onnx/model.onnx")).toHaveLength(1);
  });

  it("notes files that do not exist as Python's client does", async () => {
    await expect(download("absent.json")).rejects.toThrow();
    expect(existsSync(join(folder(), ".no_exist", server.commit(ID), "absent.json"))).toBe(true);
  });

  it("asks nothing for a commit that is there", async () => {
    const revision = server.commit(ID);
    await download("config.json", { revision });
    const before = server.requests.length;
    await download("config.json", { revision });
    expect(server.requests).toHaveLength(before);
    expect(existsSync(join(folder(), "refs"))).toBe(false);
  });

  it("keeps branches with slashes apart", async () => {
    server.add(ID, { files: { "config.json": CONFIG }, branches: ["main", "refs/pr/1"] });
    await download("config.json", { revision: "refs/pr/1" });
    expect(readFileSync(join(folder(), "refs", "refs", "pr", "1"), "utf8")).toBe(server.commit(ID));
  });
});

describe("snapshots", () => {
  it("hold the chosen files, of one commit", async () => {
    const path = await hub().snapshot(parseRepository(ID), (files) =>
      files.filter((f) => f.endsWith(".json")),
    );
    expect(readdirSync(path)).toEqual(["config.json"]);
    expect(server.downloads("onnx/model.onnx")).toHaveLength(0);
  });

  it("do not stand for a branch until they are complete", async () => {
    server.faults.push({ match: /^GET \/cdn/, times: 9, cutAfter: 0 });
    await expect(hub().snapshot(parseRepository(ID), (files) => files)).rejects.toThrow();
    expect(existsSync(join(folder(), "refs", "main"))).toBe(false);
  });
});

describe("a download that is cut", () => {
  it("goes on where it stopped, in the same call", async () => {
    server.faults.push(
      { match: /^GET \/cdn/, cutAfter: 300_000 },
      { match: /^GET \/cdn/, cutAfter: 300_000 },
    );
    const path = await download("onnx/model.onnx");
    expect(MODEL.equals(readFileSync(path))).toBe(true);
    const ranges = server.downloads("onnx/model.onnx").map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=300000-", "bytes=600000-"]);
  });

  it("goes on where it stopped, in a later call", async () => {
    const stop = new AbortController();
    server.faults.push({ match: /^GET \/cdn/, cutAfter: 500_000 });
    const onProgress = ({ loadedBytes }: DownloadProgress) => loadedBytes >= 500_000 && stop.abort();
    await expect(download("onnx/model.onnx", { onProgress, signal: stop.signal })).rejects.toThrow("aborted");
    expect(existsSync(join(folder(), "snapshots"))).toBe(false);
    expect(statSync(join(folder(), "blobs", `${MODEL_SHA256}.incomplete`)).size).toBe(500_000);
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
    expect(server.downloads("onnx/model.onnx").at(-1)!.range).toBe("bytes=500000-");
    expect(readdirSync(join(folder(), "blobs"))).toEqual([MODEL_SHA256]);
  });

  it("begins anew where the server knows no ranges", async () => {
    server.faults.push(
      { match: /^GET \/cdn/, cutAfter: 300_000 },
      { match: /^GET \/cdn/, ignoreRange: true },
    );
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
  });

  it("goes on after a silence", async () => {
    server.faults.push({ match: /^GET \/cdn/, hang: true });
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
  });

  it("ends with an error that says so when nothing more comes, and keeps what there is", async () => {
    server.faults.push(
      { match: /^GET \/cdn/, cutAfter: 100_000 },
      { match: /^GET \/cdn/, times: 9, cutAfter: 0 },
    );
    await expect(download("onnx/model.onnx")).rejects.toMatchObject({
      code: "ERR_HUB_NETWORK",
      message: expect.stringMatching(/could not be reached.*goes on where it stopped/s) as string,
    });
    expect(statSync(join(folder(), "blobs", `${MODEL_SHA256}.incomplete`)).size).toBe(100_000);
  });

  it("is not believed where the partial file is longer than the whole", async () => {
    await mkdir(join(folder(), "blobs"), { recursive: true });
    writeFileSync(join(folder(), "blobs", `${MODEL_SHA256}.incomplete`), Buffer.alloc(MODEL.length + 1));
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
  });
});

describe("checks", () => {
  it.each(["onnx/model.onnx", "config.json"])("refuses and deletes a wrong %s", async (file) => {
    const corrupt = (content: Buffer): Buffer =>
      Buffer.from(content.map((byte, i) => (i === 3 ? byte ^ 1 : byte)));
    server.faults.push({ match: /^GET .*(cdn|config)/, corrupt });
    await expect(download(file)).rejects.toMatchObject({
      code: "ERR_HUB_CHECKSUM",
      message: expect.stringMatching(/checksum.*deleted.*Try again/s) as string,
    });
    expect(readdirSync(join(folder(), "blobs"))).toEqual([]);
    expect(existsSync(join(folder(), "snapshots"))).toBe(false);
    expect(existsSync(await download(file))).toBe(true);
  });

  it("downloads the whole again where what an earlier attempt left is wrong", async () => {
    await mkdir(join(folder(), "blobs"), { recursive: true });
    writeFileSync(join(folder(), "blobs", `${MODEL_SHA256}.incomplete`), Buffer.alloc(1000));
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
    expect(server.downloads("onnx/model.onnx").map(({ range }) => range)).toEqual(["bytes=1000-", undefined]);
  });

  it("refuses a body that is longer than announced", async () => {
    server.faults.push({ match: /^GET \/cdn/, corrupt: (content) => Buffer.concat([content, content]) });
    await expect(download("onnx/model.onnx")).rejects.toMatchObject({ code: "ERR_HUB_SIZE" });
    expect(readdirSync(join(folder(), "blobs"))).toEqual([]);
  });

  it("downloads again what has another size in the cache", async () => {
    await mkdir(join(folder(), "blobs"), { recursive: true });
    writeFileSync(join(folder(), "blobs", MODEL_SHA256), "torn");
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx")))).toBe(true);
  });

  it("refuses what does not fit on the disk before it begins", async () => {
    server.faults.push({
      match: /^HEAD .*model\.onnx/,
      status: 302,
      headers: {
        Location: `${server.endpoint}/x`,
        "X-Repo-Commit": server.commit(ID),
        "X-Linked-Etag": `"${MODEL_SHA256}"`,
        "X-Linked-Size": "9000000000000000",
      },
    });
    await expect(download("onnx/model.onnx")).rejects.toMatchObject({
      code: "ERR_HUB_DISK_FULL",
      message: expect.stringMatching(/Another 9000000000.* MB are needed.*HF_HOME/s) as string,
    });
    expect(server.downloads("onnx/model.onnx")).toHaveLength(0);
  });
});

describe("several at once", () => {
  it("downloads a file once that two ask for", async () => {
    const [a, b] = await Promise.all([download("onnx/model.onnx"), download("onnx/model.onnx")]);
    expect(a).toBe(b);
    expect(server.downloads("onnx/model.onnx")).toHaveLength(1);
  });
});

describe("progress", () => {
  it("is told up to the end, and not for what is there", async () => {
    const seen: DownloadProgress[] = [];
    const onProgress = (progress: DownloadProgress): void => void seen.push(progress);
    await download("onnx/model.onnx", { onProgress });
    expect(seen.at(-1)).toEqual({
      repository: ID,
      file: "onnx/model.onnx",
      loadedBytes: MODEL.length,
      totalBytes: MODEL.length,
      state: "done",
    });
    const downloading = seen.slice(0, -1);
    expect(downloading.every(({ state }) => state === "downloading")).toBe(true);
    expect(downloading.every(({ loadedBytes }, i) => loadedBytes > (seen[i - 1]?.loadedBytes ?? 0))).toBe(
      true,
    );
    seen.length = 0;
    await download("onnx/model.onnx", { onProgress });
    expect(seen).toEqual([]);
  });
});

describe("downloadProgressBar", () => {
  function stream(isTTY: boolean) {
    const written: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk.toString());
        done();
      },
    });
    return {
      written,
      stream: Object.assign(sink, {
        isTTY,
        cursorTo() {},
        moveCursor() {},
        clearLine() {},
        clearScreenDown() {},
      }),
    };
  }

  it("writes lines where there is no terminal", async () => {
    const { written, stream: output } = stream(false);
    await download("onnx/model.onnx", { onProgress: downloadProgressBar({ stream: output }) });
    expect(written).toEqual([
      "Downloading onnx/model.onnx of kindling/tiny, 1.3 MB\n",
      "Downloaded onnx/model.onnx of kindling/tiny\n",
    ]);
  });

  it("draws a bar in a terminal, and lets go of it when a download fails", async () => {
    const { written, stream: output } = stream(true);
    const onProgress = downloadProgressBar({ stream: output });
    await download("onnx/model.onnx", { onProgress });
    expect(written.join("")).toMatch(/onnx\/model\.onnx \[=+\] 1\.3 MB of 1\.3 MB/);
    server.faults.push({ match: /^GET .*config/, corrupt: (content) => Buffer.from(content).reverse() });
    await expect(download("config.json", { onProgress })).rejects.toThrow("checksum");
    const length = written.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written).toHaveLength(length);
  });
});

describe("what the hub refuses", () => {
  it("401: a token that it does not know", async () => {
    await expect(download("config.json", { token: "hf_wrong" })).rejects.toMatchObject({
      code: "ERR_HUB_UNAUTHORIZED",
      status: 401,
      message: expect.stringMatching(/does not accept the token.*HF_TOKEN/s) as string,
    });
  });

  it("401 without a token: a repository that does not exist, or is private", async () => {
    server.add("kindling/secret", { files: { "config.json": CONFIG }, access: "private" });
    for (const id of ["kindling/absent", "kindling/secret"]) {
      await expect(download("config.json", {}, id)).rejects.toMatchObject({
        code: "ERR_HUB_REPOSITORY",
        message: expect.stringMatching(
          /There is no repository kindling\/.*spelling.*private: set HF_TOKEN/s,
        ) as string,
      });
    }
    const path = await download("config.json", { token: HubServer.validToken }, "kindling/secret");
    expect(readFileSync(path, "utf8")).toBe(CONFIG);
  });

  it("403: a gated repository, with and without a token", async () => {
    server.add("kindling/gated", { files: { "config.json": CONFIG }, access: "gated" });
    for (const token of [undefined, HubServer.otherToken]) {
      const options = token === undefined ? {} : { token };
      await expect(download("config.json", options, "kindling/gated")).rejects.toMatchObject({
        code: "ERR_HUB_GATED",
        message: expect.stringMatching(/accept terms\. Do so at http.*kindling\/gated/s) as string,
      });
    }
  });

  it("404: a revision, and a file with its nearest", async () => {
    await expect(download("config.json", { revision: "v9" })).rejects.toMatchObject({
      code: "ERR_HUB_REVISION",
      message: expect.stringMatching(/no revision "v9"/) as string,
    });
    await expect(download("onnx/modle.onnx")).rejects.toMatchObject({
      code: "ERR_HUB_FILE",
      message: expect.stringMatching(
        /no file onnx\/modle\.onnx.*Did you mean "onnx\/model\.onnx"\?/s,
      ) as string,
    });
  });

  it("429: waits as long as it is asked to, then goes on", async () => {
    server.faults.push({ match: /^HEAD/, status: 429, headers: { "Retry-After": "1" } });
    const begun = performance.now();
    await download("config.json");
    expect(performance.now() - begun).toBeGreaterThan(950);
  });

  it("429: does not wait for more than five minutes", async () => {
    server.faults.push({ match: /^HEAD/, status: 429, headers: { "Retry-After": "3600" } });
    await expect(download("config.json")).rejects.toMatchObject({
      code: "ERR_HUB_RATE_LIMIT",
      message: expect.stringMatching(/Try again in 3600 s; with a token the limit is higher/) as string,
    });
  });

  it("5xx: tries again, and says so when it does not help", async () => {
    server.faults.push({ match: /./, status: 503, times: 2 });
    await download("config.json");
    server.faults.push({ match: /./, status: 500, times: 9 });
    await expect(download("onnx/model.onnx")).rejects.toMatchObject({ code: "ERR_HUB_SERVER", status: 500 });
    expect(server.requests.filter(({ path }) => path.includes("model.onnx"))).toHaveLength(4);
  });

  it("an answer that is not a hub's", async () => {
    server.faults.push({ match: /^HEAD/, status: 200, headers: { "Content-Type": "text/html" } });
    await expect(download("config.json")).rejects.toMatchObject({
      code: "ERR_HUB_RESPONSE",
      message: expect.stringMatching(/did not answer as a Hugging Face hub/) as string,
    });
  });

  it("paths that leave their folder", async () => {
    for (const file of ["../x", "a/../../x", "/etc/passwd", String.raw`a\..\x`, "C:x", ""])
      await expect(download(file)).rejects.toMatchObject({ code: "ERR_HUB_FILE" });
  });
});

describe("redirects", () => {
  it("sends the token to the hub alone", async () => {
    await download("onnx/model.onnx", { token: HubServer.validToken });
    const sent = server.requests.map(({ host, authorization }) => `${host} ${authorization}`);
    expect(new Set(sent)).toEqual(new Set([`hub Bearer ${HubServer.validToken}`, "cdn undefined"]));
  });

  it("follows a repository to its new name", async () => {
    server.add("old/name", { files: {}, movedTo: ID });
    expect(MODEL.equals(readFileSync(await download("onnx/model.onnx", {}, "old/name")))).toBe(true);
  });
});

describe("offline", () => {
  it("uses what is in the cache and asks nobody", async () => {
    const path = await download("config.json");
    const before = server.requests.length;
    const offline = hub({}, { HF_HUB_OFFLINE: "1" });
    expect(await offline.file(parseRepository(ID), "config.json")).toBe(path);
    await expect(offline.file(parseRepository(ID), "onnx/model.onnx")).rejects.toMatchObject({
      code: "ERR_HUB_OFFLINE",
      message: expect.stringMatching(
        /onnx\/model\.onnx of kindling\/tiny.*not in the cache.*HF_HUB_OFFLINE=0/s,
      ) as string,
    });
    await expect(offline.snapshot(parseRepository(ID), (f) => f)).resolves.toBe(join(path, ".."));
    expect(server.requests).toHaveLength(before);
  });

  it("uses what is in the cache where the hub cannot be reached, with a warning", async () => {
    const path = await download("config.json");
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listen);
    await server.close();
    expect(await download("config.json")).toBe(path);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    expect(warnings.map(({ message }) => message).join()).toMatch(
      /could not be reached.*cache has of kindling\/tiny/s,
    );
    await expect(download("onnx/model.onnx")).rejects.toMatchObject({ code: "ERR_HUB_NETWORK" });
    server = await HubServer.start();
  });
});
