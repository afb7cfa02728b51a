/** What is tried against a server, and what each got: the table in docs/server.md has a row for each. */
import { connect } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import CRC32 from "crc-32";
import { timingSafeEqual } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { decodeAudio } from "../../src/data/index.js";
import { checkInput, limitDecoding } from "../../src/serve/check_input.js";
import { createHandler, type ModelInfo, type Predictor } from "../../src/serve/index.js";
import { listen, type RunningServer } from "../../src/serve/listen.js";
import type { Input } from "../../src/serve/predictor.js";
import { silentFlac } from "./silent_flac.js";

vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof import("node:crypto")>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const LIMITS = { maxPixels: 1_000_000, maxSeconds: 60 };

/** What a model's process does before it answers, and a task that decodes sounds. */
async function look(input: Input, kind: ModelInfo["inputs"]): Promise<void> {
  await checkInput(input, kind, LIMITS);
  if (kind === "sounds") await decodeAudio(input, { sampleRate: 8000, ...limitDecoding(kind, LIMITS) });
}

/** Looks at inputs as a model's process does, and answers with those that it let through. */
function looking(info: ModelInfo): Predictor {
  return {
    info,
    predict: (inputs) =>
      Promise.all(
        inputs.map((input) =>
          look(input, info.inputs).then(
            () => ({ prediction: typeof input === "string" ? input : input.length }),
            ({ code, message }: { code: string; message: string }) => ({ error: { code, message } }),
          ),
        ),
      ),
    close: async () => undefined,
  };
}

const predictors = new Map([
  ["texts", looking({ task: "TextClassifier", inputs: "texts" })],
  ["pictures", looking({ task: "ImageClassifier", inputs: "pictures" })],
  ["sounds", looking({ task: "AudioClassifier", inputs: "sounds" })],
]);
let server: RunningServer;
/** One that soon loses patience. */
let strict: RunningServer;

beforeAll(async () => {
  const handler = createHandler(predictors, { ...LIMITS, maxBytes: 2 ** 20 });
  const local = { port: 0, hostname: "127.0.0.1" };
  server = await listen(handler, { ...local, timeoutSeconds: 30 });
  strict = await listen(createHandler(predictors), { ...local, timeoutSeconds: 1 });
});
afterAll(() => Promise.all([server.close(), strict.close()]));

async function post(path: string, body: BodyInit, type?: string, more: Record<string, string> = {}) {
  const headers = { ...more, ...(type !== undefined && { "content-type": type }) };
  const response = await fetch(server.url + path, { method: "POST", body, headers });
  const answer = (await response.json()) as { error?: { code: string }; prediction?: unknown };
  return { status: response.status, code: answer.error?.code, prediction: answer.prediction };
}

/** What comes back for bytes that no client would send, until the server closes the connection. */
function raw(send: string, pieces: readonly string[] = [], everyMs = 0, to = server): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(to.url).port), "127.0.0.1");
    let received = "";
    socket.setEncoding("utf8").on("data", (text: string) => (received += text));
    socket.on("error", () => undefined);
    socket.write(send);
    const left = [...pieces];
    const timer = setInterval(() => {
      const piece = left.shift();
      if (piece !== undefined && !socket.destroyed) socket.write(piece);
    }, everyMs);
    socket.on("close", () => {
      clearInterval(timer);
      resolve(received);
    });
  });
}

/** A black PNG of so many pixels a side, one bit each: https://www.w3.org/TR/png-3/ */
function blackPng(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const whole = Buffer.alloc(12 + data.length);
    whole.writeUInt32BE(data.length, 0);
    whole.write(type, 4, "latin1");
    data.copy(whole, 8);
    whole.writeInt32BE(CRC32.buf(whole.subarray(4, 8 + data.length)), 8 + data.length);
    return whole;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))));
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", rows),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const JSON_TYPE = "application/json";

describe("paths", () => {
  it.each([
    "/../../../etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/page/../handler.ts",
    "/%2e%2e/%2e%2e/package.json",
    "/....//....//etc/passwd",
    "/page.js/../../serve.ts",
    "/style.css%00.html",
    "//etc/passwd",
  ])("%s is not found", async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 (404|400) /);
    expect(answer).not.toMatch(/root:|kindling-source/);
  });

  it("as inputs are texts that no file is read for", async () => {
    expect(await post("/predict", '{"input":"/etc/passwd"}', JSON_TYPE)).toMatchObject({
      status: 200,
      prediction: "/etc/passwd",
    });
    const picture = await post("/models/pictures/predict", '{"input":"file:///etc/passwd"}', JSON_TYPE);
    expect(picture).toMatchObject({ status: 400, code: "ERR_REQUEST_INPUT" });
  });
});

describe("prototypes", () => {
  it.each([
    ["JSON", '{"input":"a","__proto__":{"topK":7}}', 200],
    ["options", '{"input":"a","options":{"__proto__":{"topK":7}}}', 400],
    ["a constructor", '{"input":"a","options":{"constructor":{"prototype":{"topK":7}}}}', 400],
    ["inputs only inherited", '{"__proto__":{"input":"a"}}', 400],
  ])("in %s", async (_where, body, status) => {
    expect((await post("/predict", body, JSON_TYPE)).status).toBe(status);
    expect(({} as Record<string, unknown>).topK).toBeUndefined();
  });

  it("in a query, a form and a model's name", async () => {
    const form = new FormData();
    form.append("input", "a");
    form.append("__proto__", "7");
    expect((await post("/predict", form)).code).toBe("ERR_REQUEST_OPTION");
    const query = await post("/predict?__proto__=7&constructor=8", "a", "text/plain");
    expect([400, 200]).toContain(query.status);
    expect((await post("/models/__proto__/predict", "a", "text/plain")).code).toBe("ERR_MODEL_UNKNOWN");
    expect(Object.prototype).not.toHaveProperty("7");
  });
});

describe("bombs", () => {
  it("a picture of 100 million pixels in a few kilobytes", async () => {
    const bomb = blackPng(10_000);
    expect(bomb.length).toBeLessThan(2 ** 19);
    const small = await post("/models/pictures/predict", new Uint8Array(blackPng(100)), "image/png");
    expect(small.status).toBe(200);
    const answer = await post("/models/pictures/predict", new Uint8Array(bomb), "image/png");
    expect(answer).toMatchObject({ status: 413, code: "ERR_INPUT_LIMIT" });
  });

  it("a sound of ten hours of silence in a few kilobytes", async () => {
    const short = await post("/models/sounds/predict", new Uint8Array(silentFlac(1)), "audio/flac");
    expect(short.status).toBe(200);
    const bomb = silentFlac(4400);
    expect(bomb.length).toBeLessThan(100_000);
    const before = process.memoryUsage().rss;
    const answer = await post("/models/sounds/predict", new Uint8Array(bomb), "audio/flac");
    expect(answer).toMatchObject({ status: 413, code: "ERR_AUDIO_LIMIT" });
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
  });

  it("a head that claims 2^36 - 1 samples", async () => {
    const lie = silentFlac(1, 2 ** 36 - 1);
    const answer = await post("/models/sounds/predict", new Uint8Array(lie), "audio/flac");
    expect(answer.status).toBe(422);
  });

  it("a compressed body, which is never unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000, " "));
    const answer = await post("/predict", new Uint8Array(bomb), JSON_TYPE, { "content-encoding": "gzip" });
    expect(answer).toMatchObject({ status: 400, code: "ERR_REQUEST_JSON" });
  });

  it("JSON that is 100,000 arrays deep", async () => {
    const deep = `{"input":"a","options":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect((await post("/predict", deep, JSON_TYPE)).status).toBe(400);
    const closed = await post(
      "/predict",
      `{"inputs":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`,
      JSON_TYPE,
    );
    expect(closed.status).toBe(400);
  });

  it("a form of 10,000 fields", async () => {
    const form = new FormData();
    for (let i = 0; i < 10_000; i++) form.append(`field${i}`, "x");
    const answer = await post("/predict", form);
    expect(answer.status).toBe(400);
  });

  it("10,000 inputs at once", async () => {
    const body = JSON.stringify({ inputs: new Array(10_000).fill("a") });
    expect(await post("/predict", body, JSON_TYPE)).toMatchObject({ status: 413, code: "ERR_INPUT_LIMIT" });
  });

  it("a body without a length is taken while it is small", async () => {
    const body = new Blob(["a", "b"]).stream();
    const init = { method: "POST", body, headers: { "content-type": "text/plain" }, duplex: "half" };
    const sent = await fetch(`${server.url}/predict`, init);
    expect(await sent.json()).toMatchObject({ prediction: "ab" });
  });

  it("a body without a length that never ends", async () => {
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const head =
      "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n";
    const answer = await raw(`${head}Connection: close\r\n\r\n`, new Array<string>(40).fill(chunk));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });
});

describe("HTTP itself", () => {
  it("invalid UTF-8 is replaced, or is no JSON", async () => {
    const bytes = new Uint8Array([0xff, 0xfe, 0xc0, 0x80]);
    expect((await post("/predict", bytes, "text/plain")).status).toBe(200);
    expect((await post("/predict", bytes, JSON_TYPE)).code).toBe("ERR_REQUEST_JSON");
  });

  it("a head that is sent slowly gets 408", async () => {
    const slow = await raw(
      "POST /predict HTTP/1.1\r\n",
      new Array<string>(100).fill("X-A: b\r\n"),
      100,
      strict,
    );
    expect(slow).toMatch(/^HTTP\/1.1 408 /);
  });

  it("a body that is sent slowly gets 408", async () => {
    const head =
      "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n";
    expect(await raw(head, new Array<string>(100).fill("x"), 100, strict)).toMatch(/^(HTTP\/1.1 408 |$)/);
  });

  it("a head of 100 kilobytes gets 431", async () => {
    const answer = await raw(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"a".repeat(100_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
  });

  it("what is no HTTP gets 400", async () => {
    expect(await raw("\x16\x03\x01\x00\x00 hello\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
  });

  it("two lengths, as for smuggling a request past a proxy, get 400", async () => {
    const both =
      "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await raw(both)).toMatch(/^HTTP\/1.1 400 /);
  });

  it("a page of another site may ask nothing: no answer allows another origin", async () => {
    const response = await fetch(`${server.url}/predict`, {
      method: "OPTIONS",
      headers: { origin: "https://evil.test", "access-control-request-method": "POST" },
    });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });
});

it("a token is compared in constant time, whatever its length and however well it is guessed", async () => {
  const compare = vi.mocked(timingSafeEqual);
  const handler = createHandler(predictors, { token: "a".repeat(64) });
  for (const guess of [`${"a".repeat(63)}b`, `b${"a".repeat(63)}`, "a", "", "a".repeat(10_000)]) {
    compare.mockClear();
    const request = new Request("http://a/info", { headers: { authorization: `Bearer ${guess}` } });
    expect((await handler.fetch(request)).status).toBe(401);
    const lengths = compare.mock.calls.map(([given, expected]) => [given.byteLength, expected.byteLength]);
    expect(lengths).toEqual([[32, 32]]);
  }
});
