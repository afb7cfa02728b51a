/** Predictions a second of a text classifier, and of plain onnxruntime-node on its exported model. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { HostTensor, TextClassifier } from "kindling";

const TEST = resolve(import.meta.dirname, "../../shared/data/banking77/test.csv");
const TEXTS = 1000;
const SINGLE_TEXTS = 200;
const ROWS = 64;

/** Texts a second. */
export interface Throughput {
  single: number;
  batched: number;
  /** onnxruntime-node, from arrays that are there already: without making n-grams or tokens. */
  onnxSingle: number | null;
  onnxBatched: number | null;
}

export async function throughput(task: TextClassifier, peers: boolean): Promise<Throughput> {
  const texts = readFileSync(TEST, "utf8")
    .split("\n")
    .slice(1, TEXTS + 1)
    .map((line) => line.slice(0, line.lastIndexOf(",")));
  const measure = async (count: number, run: () => Promise<unknown>): Promise<number> => {
    await run();
    const start = performance.now();
    await run();
    return count / ((performance.now() - start) / 1000);
  };
  const single = await measure(SINGLE_TEXTS, async () => {
    for (const text of texts.slice(0, SINGLE_TEXTS)) await task.predict(text);
  });
  const batched = await measure(TEXTS, () => task.predict(texts));
  const plain = peers ? await plainOnnxRuntime(task, texts) : { onnxSingle: null, onnxBatched: null };
  return { single, batched, ...plain };
}

async function plainOnnxRuntime(task: TextClassifier, texts: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
  await task.exportOnnx(folder);
  const { preprocessor } = task;
  const encoded = texts.map((text) => preprocessor.encode(text));
  const sorted = [...encoded].sort((a, b) => a.ids.length - b.ids.length);
  const batches = Array.from({ length: Math.ceil(TEXTS / ROWS) }, (_, i) =>
    preprocessor.collate(sorted.slice(i * ROWS, (i + 1) * ROWS)),
  );
  const singles = encoded.slice(0, SINGLE_TEXTS).map((text) => preprocessor.collate([text]));
  const asJson = (arrays: Record<string, HostTensor>) =>
    Object.entries(arrays).map(([name, { data, shape }]) => ({
      name: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      type: data instanceof Int32Array ? "int64" : "float32",
      data: Array.from(data),
      shape,
    }));
  const file = join(folder, "inputs.json");
  writeFileSync(file, JSON.stringify({ singles: singles.map(asJson), batches: batches.map(asJson) }));
  const printed = execFileSync(
    process.execPath,
    ["--input-type=module", "-e", SCRIPT, join(folder, "onnx", "model.onnx"), file],
    { encoding: "utf8", cwd: import.meta.dirname },
  );
  const { single, batched } = JSON.parse(printed) as { single: number; batched: number };
  return { onnxSingle: single, onnxBatched: (batched * TEXTS) / batches.length };
}

/** In a process of its own: it and the engine do not share a runtime. Prints runs a second. */
const SCRIPT = `
process.env.ORT_DISABLE_TELEMETRY = "1";
const { InferenceSession, Tensor } = (await import("onnxruntime-node")).default;
const { readFileSync } = await import("node:fs");
const [model, file] = process.argv.slice(1);
const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
const inputs = JSON.parse(readFileSync(file, "utf8"));
const feedsOf = (arrays) => Object.fromEntries(arrays.filter(({ name }) => session.inputNames.includes(name)).map(({ name, type, data, shape }) =>
  [name, new Tensor(type, type === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data), shape)]));
const rate = async (list) => {
  const feeds = list.map(feedsOf);
  for (const feed of feeds) await session.run(feed);
  const start = performance.now();
  for (const feed of feeds) await session.run(feed);
  return feeds.length / ((performance.now() - start) / 1000);
};
console.log(JSON.stringify({ single: await rate(inputs.singles), batched: await rate(inputs.batches) }));
`;
