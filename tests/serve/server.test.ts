/** A server in a process of its own, asked over loopback. */
import { execFile, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleProgram } from "../../bench/bundle.js";
import { ImageClassifier, TextClassificationData, TextClassifier, seedEverything } from "../../src/index.js";
import { startServer as start } from "./start_server.js";
import "../support/backend.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-serve-"));
const texts = join(folder, "texts.kindling");
const pictures = join(folder, "pictures.kindling");
let server: ChildProcess;
let url: string;

interface Answered {
  prediction: { label: string; score: number };
}

let expected: unknown;
let picture: Buffer;

beforeAll(async () => {
  seedEverything(1);
  const labeled = { texts: ["good", "bad", "fine", "poor"], targets: ["+", "-", "+", "-"] };
  const data = await TextClassificationData.fromLists({ train: labeled });
  const task = new TextClassifier({ data });
  await task.save(texts);
  expected = await task.predict("good");
  await new ImageClassifier({ labels: ["a", "b"], imageSize: 32 }).save(pictures);
  picture = await sharp({ create: { width: 40, height: 30, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  ({ child: server, url } = await start(texts, pictures, "--max-bytes", "100000", "--max-pixels", "10000"));
}, 120_000);

afterAll(() => {
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

const post = (path: string, body: BodyInit, type?: string) =>
  fetch(url + path, {
    method: "POST",
    body,
    ...(type !== undefined && { headers: { "content-type": type } }),
  });
const json = (path: string, body: unknown) => post(path, JSON.stringify(body), "application/json");

describe("answers", () => {
  it("one text, several, a plain body and a form, as predict does", async () => {
    const one = await json("/predict", { input: "good" });
    expect([one.status, await one.json()]).toEqual([200, { model: "texts", prediction: expected }]);
    const many = await json("/predict", { inputs: ["good", "good"], options: { topK: 2 } });
    expect(((await many.json()) as { predictions: unknown[] }).predictions).toHaveLength(2);
    const plain = await post("/predict?topK=1", "good", "text/plain");
    expect(await plain.json()).toEqual({ model: "texts", prediction: [expected] });
    const form = new FormData();
    form.append("input", "good");
    expect(await (await post("/predict", form)).json()).toEqual({ model: "texts", prediction: expected });
  });

  it("a picture as bytes, as base64 and in a form", async () => {
    const path = "/models/pictures/predict";
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(picture)]), "red.png");
    const answers = await Promise.all([
      post(path, new Uint8Array(picture), "image/png"),
      json(path, { input: picture.toString("base64") }),
      json(path, { input: `data:image/png;base64,${picture.toString("base64")}` }),
      post(path, form),
    ]);
    const results = await Promise.all(answers.map((answer) => answer.json() as Promise<Answered>));
    const { label, score } = results[0]!.prediction;
    // Some are answered together, and sums in another order differ in their last digits.
    for (const { prediction } of results) {
      expect(prediction.label).toBe(label);
      expect(prediction.score).toBeCloseTo(score, 5);
    }
  });

  it("health, readiness and what it serves", async () => {
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    const info: unknown = await (await fetch(`${url}/info`)).json();
    expect(info).toMatchObject({ models: { texts: { task: "TextClassifier", labels: ["+", "-"] } } });
  });
});

describe("refuses", () => {
  it.each([
    ["no JSON", "/predict", "{", "application/json", 400, "ERR_REQUEST_JSON"],
    ["no input", "/predict", "{}", "application/json", 400, "ERR_REQUEST_INPUT"],
    ["a number", "/predict", '{"input":3}', "application/json", 400, "ERR_REQUEST_INPUT"],
    [
      "an unknown option",
      "/predict",
      '{"input":"a","options":{"topk":3}}',
      "application/json",
      400,
      "ERR_REQUEST_OPTION",
    ],
    [
      "an option's wrong value",
      "/predict",
      '{"input":"a","options":{"topK":"many"}}',
      "application/json",
      400,
      "ERR_REQUEST_OPTION",
    ],
    ["a type that is not taken", "/predict", "a", "image/png", 415, "ERR_REQUEST_TYPE"],
    [
      "a path for a picture",
      "/models/pictures/predict",
      '{"input":"/etc/passwd"}',
      "application/json",
      422,
      "ERR_IMAGE",
    ],
    [
      "a URL",
      "/models/pictures/predict",
      '{"input":"http://127.0.0.1/a.png"}',
      "application/json",
      400,
      "ERR_REQUEST_URL",
    ],
    ["what is no picture", "/models/pictures/predict", "text", "image/png", 422, "ERR_IMAGE"],
    ["too large a body", "/predict", "x".repeat(200_000), "text/plain", 413, "ERR_INPUT_LIMIT"],
    ["an unknown model", "/models/none/predict", "{}", "application/json", 404, "ERR_MODEL_UNKNOWN"],
    ["an unknown address", "/none", "{}", "application/json", 404, "ERR_NOT_FOUND"],
  ])("%s", async (_what, path, body, type, status, code) => {
    const answer = await post(path, body, type);
    const { error } = (await answer.json()) as { error: { code: string } };
    expect({ status: answer.status, code: error.code }).toEqual({
      status,
      code: expect.stringContaining(code) as string,
    });
  });

  it("a picture with too many pixels", async () => {
    const large = await sharp({ create: { width: 400, height: 400, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    expect((await post("/models/pictures/predict", new Uint8Array(large), "image/png")).status).toBe(413);
  });
});

it("ends on SIGTERM, and answers what it took", { timeout: 60_000 }, async () => {
  const own = await start(texts, "--max-wait-ms", "500");
  const answer = fetch(`${own.url}/predict`, {
    method: "POST",
    body: JSON.stringify({ input: "good" }),
    headers: { "content-type": "application/json" },
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const ended = new Promise<number | null>((resolve) => own.child.once("exit", resolve));
  own.child.kill("SIGTERM");
  expect((await answer).status).toBe(200);
  expect(await ended).toBe(0);
});

it("lets nobody in without the token", { timeout: 60_000 }, async () => {
  const own = await start(texts, "--token", "secret");
  const ask = (authorization?: string) =>
    fetch(`${own.url}/info`, authorization === undefined ? {} : { headers: { authorization } });
  const statuses = await Promise.all([ask(), ask("Bearer wrong"), ask("Bearer secret")]);
  expect(statuses.map(({ status }) => status)).toEqual([401, 401, 200]);
  expect((await fetch(`${own.url}/health`)).status).toBe(200);
  own.child.kill("SIGKILL");
});

const children = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);

it.skipIf(!existsSync("/proc/self/task"))(
  "starts a model again whose process was killed (needs Linux's /proc)",
  { timeout: 120_000 },
  async () => {
    const own = await start(texts);
    const ask = () =>
      fetch(`${own.url}/predict`, {
        method: "POST",
        body: JSON.stringify({ input: "good" }),
        headers: { "content-type": "application/json" },
      });
    expect((await ask()).status).toBe(200);
    // The loader of TypeScript has a process too, which ends with nobody's answer.
    for (const pid of children(own.child.pid!)) process.kill(pid, "SIGKILL");
    const statuses = new Set<number>();
    while (!statuses.has(503)) statuses.add((await ask()).status);
    let answer: Response;
    do {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await ask();
      statuses.add(answer.status);
    } while (answer.status === 503);
    expect(await answer.json()).toEqual({ model: "texts", prediction: expected });
    expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 503]));
    expect(statuses.size).toBe(2);
    own.child.kill("SIGKILL");
  },
);

it(
  "task.serve() serves from code, and refuses a backbone that no file holds",
  { timeout: 120_000 },
  async () => {
    const program = bundleProgram(join(import.meta.dirname, "serve_task_process.ts"));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    const { served, expected, isClosed, refusal } = JSON.parse(stdout) as Record<string, unknown>;
    expect(served).toEqual({ model: "text-classifier", prediction: expected });
    expect({ isClosed, refusal }).toEqual({ isClosed: true, refusal: "ERR_SERVE_BACKBONE" });
  },
);

it.each([
  ["nothing", ""],
  ["no model", "this is no model"],
  ["a head that is longer than the file", "\xff\xff\xff\xff\xff\xff\xff\x7f{}"],
])("does not start with %s for a model", { timeout: 60_000 }, async (_what, bytes) => {
  const path = join(folder, "bad.kindling");
  writeFileSync(path, bytes, "latin1");
  const command = [
    bundleProgram(resolve(import.meta.dirname, "../../src/cli/bin.ts")),
    "serve",
    path,
    "--port",
    "0",
  ];
  const { code, stderr } = await promisify(execFile)(process.execPath, command).then(
    () => ({ code: 0, stderr: "" }),
    (error: unknown) => error as { code: number; stderr: string },
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(/ERR_(TASK_FILE|SAFETENSORS_\w+)/);
});
