/** Text classifiers on real data with nothing configured: banking77, sms-spam, and a small BERT from scratch. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { seedEverything, TextClassificationData, TextClassifier, Trainer } from "kindling";

const SHARED = resolve(import.meta.dirname, "../../shared/data");
const quiet = { logger: false, enableCheckpointing: false, enableModelSummary: false } as const;

/** `seconds` is the time of `fit`, from the data in memory to the trained task. */
export async function text(): Promise<Record<string, unknown>> {
  return { banking77: await banking77(), smsSpam: await smsSpam() };
}

async function banking77(): Promise<{ accuracy: number; seconds: number; cpuSeconds: number }> {
  seedEverything(0);
  const data = await TextClassificationData.fromCsv({
    train: resolve(SHARED, "banking77/train.csv"),
    test: resolve(SHARED, "banking77/test.csv"),
    labelColumn: "category",
  });
  const time = stopwatch();
  const task = new TextClassifier({ data });
  await new Trainer(quiet).fit(task, data);
  const spent = time();
  const { accuracy } = await task.report(data);
  return { accuracy, ...spent };
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
