/** Runs one benchmark: `npm run bench -- NAME [--json]`. The last line of its output is one JSON object. */
import { parseArgs } from "node:util";
import { finetunePhotos } from "./finetune_photos.js";
import { trainCnn } from "./train_cnn.js";

const benchmarks: Record<string, () => Promise<Record<string, unknown>>> = {
  "finetune-photos": finetunePhotos,
  "train-cnn": trainCnn,
};

const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
const benchmark = benchmarks[positionals[0] ?? ""];
if (benchmark === undefined) {
  console.error(
    `usage: npm run bench -- NAME [--json], with NAME one of ${Object.keys(benchmarks).join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const result = await benchmark();
  if (values.json !== true) console.table(result);
  console.log(JSON.stringify(result));
}
