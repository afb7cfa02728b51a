/** A pipeline that is killed. Says each stage that begins, before it does anything. `pipeline_process.ts FOLDER` */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { inputFiles } from "../../../src/apps/input_files.js";
import { Pipeline } from "../../../src/apps/pipeline.js";
import type { StageContext } from "../../../src/apps/stage.js";

const [folder] = process.argv.slice(2) as [string];
const pipeline = new Pipeline({ folder: join(folder, "pipeline"), concurrency: 3 });

/** Writes a file in pieces, and goes on in the one that an attempt before has left. */
async function write({ folder: files, scratch }: StageContext, name: string, text: string): Promise<void> {
  appendFileSync(join(folder, "began.log"), `${name}\n`);
  const draft = join(scratch, "draft");
  for (let done = existsSync(draft) ? readFileSync(draft, "utf8").length : 0; done < text.length; done += 4) {
    await setTimeout(4);
    writeFileSync(draft, text.slice(0, done + 4));
    writeFileSync(join(files, "half.txt"), text.slice(0, done));
  }
  writeFileSync(join(files, "text.txt"), readFileSync(draft));
  process.stdout.write(`${name}\n`);
}

const read = (output: { folder: string }) => readFileSync(join(output.folder, "text.txt"), "utf8");

const words = pipeline.stage("words", {
  inputs: { files: inputFiles(join(folder, "input")) },
  run: async ({ files }, context) => {
    await write(context, "words", files.map((file) => readFileSync(file, "utf8")).join(" "));
    return { files: files.length };
  },
});
const upper = pipeline.stage("upper", {
  inputs: { words },
  run: async (inputs, context) => write(context, "upper", read(inputs.words).toUpperCase()),
});
const reversed = pipeline.stage("reversed", {
  inputs: { words },
  run: async (inputs, context) => write(context, "reversed", [...read(inputs.words)].reverse().join("")),
});
const count = pipeline.stage("count", {
  inputs: { words, weight: 2 },
  run: async (inputs, context) => {
    await write(context, "count", "-".repeat(60));
    return { letters: inputs.weight * read(inputs.words).length };
  },
});
pipeline.stage("report", {
  inputs: { upper, reversed, count },
  run: async (inputs, context) => {
    await write(
      context,
      "report",
      `${read(inputs.upper)}|${read(inputs.reversed)}|${inputs.count.result.letters}`,
    );
    return "done";
  },
});

process.stdout.write("ready\n");
const outputs = await pipeline.run();
process.stdout.write(`${JSON.stringify({ count: outputs.count!.result, report: read(outputs.report!) })}\n`);
