/** Text classifiers on real data with nothing configured: banking77, sms-spam, and a small BERT from scratch. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { LambdaCallback, seedEverything, TextClassificationData, TextClassifier, Trainer } from "kindling";
import type { BenchOptions } from "./options.js";
import { throughput } from "./text_throughput.js";

const SHARED = resolve(import.meta.dirname, "../../shared/data");
const quiet = {
  logger: false,
  enableCheckpointing: false,
  enableModelSummary: false,
  enableProgressBar: false,
} as const;
const BERT_EPOCHS = 15;
/** The 4-layer BERT of the throughput is not trained: it runs as fast as a trained one. */
const FOUR_LAYERS = "bert-mini";

/**
 * `seconds` is the time of `fit`, from the data in memory to the trained task. `predictions` are texts a second, one by one
 * and in lists of 1,000, of tasks and of plain onnxruntime-node on their exported models with the same batches.
 */
export async function text({ peers }: BenchOptions): Promise<Record<string, unknown>> {
  const { task, ...banking } = await banking77();
  const small = new TextClassifier({ data: await bankingData(), backbone: FOUR_LAYERS });
  const predictions = {
    "bag-of-ngrams": await throughput(task, peers),
    [FOUR_LAYERS]: await throughput(small, peers),
  };
  return { banking77: banking, smsSpam: await smsSpam(), bert: await bert(), predictions };
}

async function bankingData(options: { valSplit?: number } = {}): Promise<TextClassificationData> {
  return TextClassificationData.fromCsv({
    train: resolve(SHARED, "banking77/train.csv"),
    test: resolve(SHARED, "banking77/test.csv"),
    labelColumn: "category",
    ...options,
  });
}

interface Banking77 {
  accuracy: number;
  seconds: number;
  cpuSeconds: number;
  task: TextClassifier;
}

async function banking77(): Promise<Banking77> {
  seedEverything(0);
  const data = await bankingData();
  const time = stopwatch();
  const task = new TextClassifier({ data });
  await new Trainer(quiet).fit(task, data);
  const spent = time();
  const { accuracy } = await task.report(data);
  return { accuracy, ...spent, task };
}

/** From random weights; a tenth of the training file is held back for the curve of accuracy after each epoch. */
async function bert(): Promise<Record<string, unknown>> {
  seedEverything(0);
  const data = await bankingData({ valSplit: 0.1 });
  const time = stopwatch();
  const task = new TextClassifier({ data, backbone: "bert-tiny" });
  const curve: number[] = [];
  const record = new LambdaCallback({
    onValidationEpochEnd: (trainer) => void curve.push(trainer.callbackMetrics.val_accuracy!),
  });
  await new Trainer({ ...quiet, maxEpochs: BERT_EPOCHS, numSanityValSteps: 0, callbacks: [record] }).fit(
    task,
    data,
  );
  const spent = time();
  const { accuracy } = await task.report(data);
  return { accuracy, ...spent, curve };
}

/** The last fifth of the rows is the test part. */
async function smsSpam(): Promise<{ f1: number; seconds: number; cpuSeconds: number }> {
  seedEverything(0);
  const rows = readFileSync(resolve(SHARED, "sms-spam/sms.tsv"), "utf8").trimEnd().split(/\r?\n/);
  const part = (lines: string[]) => ({
    texts: lines.map((line) => line.slice(line.indexOf("\t") + 1)),
    targets: lines.map((line) => line.slice(0, line.indexOf("\t"))),
  });
  const cut = Math.floor(rows.length * 0.8);
  const data = await TextClassificationData.fromLists({
    train: part(rows.slice(0, cut)),
    test: part(rows.slice(cut)),
  });
  const time = stopwatch();
  const task = new TextClassifier({ data });
  await new Trainer(quiet).fit(task, data);
  const spent = time();
  const { perClass } = await task.report(data);
  return { f1: perClass.find(({ label }) => label === "spam")!.f1, ...spent };
}

function stopwatch(): () => { seconds: number; cpuSeconds: number } {
  const start = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}
