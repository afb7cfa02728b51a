/**
 * Runs one benchmark: `npm run bench -- NAME [--json] [--models a,b] [--no-peers] [--kills N]`. The last line of its output is one JSON
 * object.
 */
import { parseArgs } from "node:util";
import { finetunePhotos } from "./finetune_photos.js";
import { forward } from "./forward.js";
import { MODEL_NAMES } from "./models.js";
import type { BenchOptions } from "./options.js";
import { resume } from "./resume.js";
import { soak } from "./soak.js";
import { speech } from "./speech.js";
import { trainCnn } from "./train_cnn.js";
import { trainStep } from "./train_step.js";
import { trainerOverhead } from "./trainer_overhead.js";

const benchmarks: Record<string, (options: BenchOptions) => Promise<Record<string, unknown>>> = {
  "finetune-photos": finetunePhotos,
  forward,
  resume: (options) =>
    resume(options, (whileWriting) => console.log(whileWriting ? "killed while saving" : "killed")),
  soak,
  speech,
  "train-cnn": trainCnn,
  "train-step": trainStep,
  "trainer-overhead": trainerOverhead,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean" },
    kills: { type: "string" },
    models: { type: "string" },
    "no-peers": { type: "boolean", default: false },
  },
});
const benchmark = benchmarks[positionals[0] ?? ""];
const models = values.models?.split(",");
const kills = values.kills === undefined ? undefined : Number(values.kills);
const isCount = kills === undefined || (Number.isInteger(kills) && kills > 0);
if (benchmark === undefined || !isCount || models?.some((name) => !MODEL_NAMES.includes(name))) {
  console.error(
    "usage: npm run bench -- NAME [--json] [--models MODEL,MODEL] [--no-peers] [--kills N], with NAME one of " +
      `${Object.keys(benchmarks).join(", ")} and MODEL one of ${MODEL_NAMES.join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const result = await benchmark({
    ...(models && { models }),
    ...(kills && { kills }),
    peers: !values["no-peers"],
  });
  if (values.json !== true) console.table(result.models ?? result);
  console.log(JSON.stringify(result));
}
