/**
 * The server under load on loopback: right and malformed requests and clients that go away, memory, SIGTERM; then its
 * throughput with batches, without, and ONNX Runtime alone in a loop.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { engine, ImageClassifier, seedEverything } from "kindling";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { Pool } from "undici";
import { median, quantile } from "./measure.js";

const REQUESTS = 10_000;
const CONNECTIONS = 64;
/** Of the requests, one in so many is malformed, and of the clients one in so many goes away midway. */
const MALFORMED_EVERY = 10;
const KILLED_EVERY = 97;
const THROUGHPUT_REQUESTS = 2000;
const SIZE = 64;
const PICTURES = 16;
/** Scores of one input differ in the last bits with the batch that it is in. */
const TOLERANCE = 1e-4;

interface Prediction {
  label: string;
  score: number;
}
interface Question {
  path: string;
  type: string;
  body: Buffer | string;
  status: number;
}

/** The kinds of malformed requests, each with the status that is its due. */
const MALFORMED: readonly Question[] = [
  { path: "/predict", type: "application/json", body: "{", status: 400 },
  { path: "/predict", type: "application/json", body: "{}", status: 400 },
  { path: "/predict?topk=3", type: "image/png", body: "x", status: 400 },
  { path: "/models/none/predict", type: "image/png", body: "x", status: 404 },
  { path: "/none", type: "image/png", body: "x", status: 404 },
  { path: "/predict", type: "text/plain", body: "x", status: 415 },
  { path: "/predict", type: "image/png", body: "no picture", status: 422 },
  {
    path: "/predict",
    type: "application/json",
    body: JSON.stringify({ inputs: new Array(1000).fill("AAAA") }),
    status: 413,
  },
];

export async function serve(): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
  try {
    await engine.use({ accelerator: "cpu" });
    seedEverything(1);
    const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    const task = new ImageClassifier({ labels, imageSize: SIZE });
    const [model, onnx] = [join(folder, "model.kindling"), join(folder, "model.onnx")];
    await task.save(model);
    await task.exportOnnx(onnx, { preprocessing: true });
    const pictures = await Promise.all(Array.from({ length: PICTURES }, (_, i) => makePicture(i)));
    const expected: Prediction[] = await task.predict(pictures);
    return {
      load: await load(model, pictures, expected),
      inputsPerSecond: {
        batched: await throughput(model, pictures, []),
        unbatched: await throughput(model, pictures, ["--max-batch-size", "1", "--max-wait-ms", "0"]),
        onnxRuntimeInALoop: await plainLoop(onnx, pictures),
      },
      sigterm: await endUnderLoad(model, pictures),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function makePicture(seed: number): Promise<Buffer> {
  const data = Buffer.from(Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i * (seed + 3) * 37) % 251));
  return sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
}

async function start(model: string, flags: readonly string[]): Promise<{ child: ChildProcess; url: string }> {
  const args = [...process.execArgv, "src/cli/bin.ts", "serve", model, "--port", "0", ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const found = / at (http:\S+)/.exec(line);
    if (found !== null) return { child, url: found[1]! };
  }
  throw new Error("The server ended before it listened.");
}

/** Memory of the server and of its model's process, in MiB. */
function residentMb(pid: number): { server: number; model: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const of = (id: number | string): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))![1]) / 1024;
  return { server: Math.round(of(pid)), model: Math.round(children.reduce((sum, id) => sum + of(id), 0)) };
}

/** Asks with as many connections as there are, each its next question when it has the answer to the last. */
async function askAll(count: number, ask: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
}

const send = (pool: Pool, { path, type, body }: Omit<Question, "status">) =>
  pool.request({ path, method: "POST", headers: { "content-type": type }, body });

async function load(
  model: string,
  pictures: readonly Buffer[],
  expected: readonly Prediction[],
): Promise<Record<string, unknown>> {
  const { child, url } = await start(model, []);
  const pool = new Pool(url, { connections: CONNECTIONS });
  const picture = (index: number) => pictures[index % PICTURES]!;
  const ask = (index: number) => send(pool, { path: "/predict", type: "image/png", body: picture(index) });
  await askAll(1000, async (index) => void (await (await ask(index)).body.json()));
  const before = residentMb(child.pid!);
  const counts = { right: 0, wrong: 0, refusedRightly: 0, refusedWrongly: 0, killed: 0 };
  const times: number[] = [];
  await askAll(REQUESTS, async (index) => {
    if (index % MALFORMED_EVERY === 0) {
      const question = MALFORMED[(index / MALFORMED_EVERY) % MALFORMED.length]!;
      const { statusCode, body } = await send(pool, question);
      await body.dump();
      counts[statusCode === question.status ? "refusedRightly" : "refusedWrongly"]++;
    } else if (index % KILLED_EVERY === 0) {
      await leaveMidway(url, picture(index));
      counts.killed++;
    } else {
      const begin = performance.now();
      const { statusCode, body } = await ask(index);
      const { prediction } = (await body.json()) as { prediction?: Prediction };
      times.push(performance.now() - begin);
      const { label, score } = expected[index % PICTURES]!;
      const isRight =
        statusCode === 200 && prediction?.label === label && Math.abs(prediction.score - score) < TOLERANCE;
      counts[isRight ? "right" : "wrong"]++;
    }
  });
  const after = residentMb(child.pid!);
  await pool.close();
  await end(child);
  const ms = (share: number) => Number(quantile(times, share).toFixed(1));
  return {
    ...counts,
    p50Ms: Number(median(times).toFixed(1)),
    p99Ms: ms(0.99),
    residentMb: { before, after },
  };
}

/** A client that is gone: sometimes before its body has arrived, sometimes while the model answers. */
async function leaveMidway(url: string, body: Buffer): Promise<void> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const head = `POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: ${body.length}\r\n\r\n`;
  const isWhole = body[body.length - 20]! % 2 === 0;
  socket.write(Buffer.concat([Buffer.from(head), isWhole ? body : body.subarray(0, body.length / 2)]));
  await sleep(2);
  socket.destroy();
}

async function throughput(
  model: string,
  pictures: readonly Buffer[],
  flags: readonly string[],
): Promise<number> {
  const { child, url } = await start(model, flags);
  const pool = new Pool(url, { connections: CONNECTIONS });
  const ask = async (index: number): Promise<void> => {
    const body = pictures[index % PICTURES]!;
    await (await send(pool, { path: "/predict", type: "image/png", body })).body.dump();
  };
  await askAll(500, ask);
  const begin = performance.now();
  await askAll(THROUGHPUT_REQUESTS, ask);
  const seconds = (performance.now() - begin) / 1000;
  await pool.close();
  await end(child);
  return Math.round(THROUGHPUT_REQUESTS / seconds);
}

/** Decoding and the model, one picture after the other, with no server around them. */
async function plainLoop(onnx: string, pictures: readonly Buffer[]): Promise<number> {
  const session = await InferenceSession.create(onnx);
  const run = async (index: number): Promise<void> => {
    const pixels = await sharp(pictures[index % PICTURES])
      .removeAlpha()
      .raw()
      .toBuffer();
    await session.run({ pixels: new Tensor("uint8", new Uint8Array(pixels), [1, SIZE, SIZE, 3]) });
  };
  for (let i = 0; i < 50; i++) await run(i);
  const begin = performance.now();
  for (let i = 0; i < THROUGHPUT_REQUESTS; i++) await run(i);
  return Math.round(THROUGHPUT_REQUESTS / ((performance.now() - begin) / 1000));
}

/** What becomes of requests when the server is told to end among them. */
async function endUnderLoad(model: string, pictures: readonly Buffer[]): Promise<Record<string, number>> {
  const { child, url } = await start(model, []);
  const counts = { answered: 0, refused503: 0, notConnected: 0, lost: 0 };
  const pool = new Pool(url, { connections: CONNECTIONS });
  setTimeout(() => child.kill("SIGTERM"), 1000);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let isOver = false;
  await askAll(REQUESTS, async (index) => {
    if (isOver) return;
    try {
      const body = pictures[index % PICTURES]!;
      const answer = await send(pool, { path: "/predict", type: "image/png", body });
      await answer.body.dump();
      if (answer.statusCode === 200) counts.answered++;
      else if (answer.statusCode === 503) counts.refused503++;
      else counts.lost++;
    } catch (error) {
      isOver = true;
      if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") counts.notConnected++;
      else counts.lost++;
    }
  });
  await pool.destroy();
  return { ...counts, exitCode: (await exited) ?? -1 };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
