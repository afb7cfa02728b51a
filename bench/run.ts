/**
 * Runs one benchmark: `npm run bench -- NAME [--json] [--models a,b] [--no-peers] [--kills N] [--mutations N] [--requests N]
 * [--only PART] [--sheets FOLDER]`. The last line of its output is one JSON object.
 */
import { parseArgs } from "node:util";
import { ctc } from "./ctc.js";
import { ddp } from "./ddp.js";
import { detect, DETECTION_RUNS } from "./detect.js";
import { finetuneOnnx } from "./finetune_onnx.js";
import { finetunePhotos } from "./finetune_photos.js";
import { forward } from "./forward.js";
import { MODEL_NAMES } from "./models.js";
import { onnxFuzz } from "./onnx_fuzz.js";
import { onnxMemory } from "./onnx_memory.js";
import { NETWORKS, onnxParity } from "./onnx_parity.js";
import type { BenchOptions } from "./options.js";
import { resampling } from "./resample.js";
import { resume } from "./resume.js";
import { serve } from "./serve.js";
import { search } from "./search.js";
import { soak } from "./soak.js";
import { text } from "./text.js";
import { speech, SPEECH_PARTS } from "./speech.js";
import { trainCnn } from "./train_cnn.js";
import { trainStep } from "./train_step.js";
import { trainerOverhead } from "./trainer_overhead.js";

const benchmarks: Record<string, (options: BenchOptions) => Promise<Record<string, unknown>>> = {
  ctc,
  ddp,
  detect,
  "finetune-onnx": finetuneOnnx,
  "finetune-photos": finetunePhotos,
  forward,
  "onnx-fuzz": ({ mutations }) => onnxFuzz(mutations),
  "onnx-memory": onnxMemory,
  "onnx-parity": onnxParity,
  serve,
  resample: resampling,
  resume: (options) =>
    resume(options, (whileWriting) => console.log(whileWriting ? "killed while saving" : "killed")),
  search,
  soak,
  text,
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
    mutations: { type: "string" },
    models: { type: "string" },
    only: { type: "string" },
    sheets: { type: "string" },
    requests: { type: "string" },
    "no-peers": { type: "boolean", default: false },
  },
});
const benchmark = benchmarks[positionals[0] ?? ""];
const models = values.models?.split(",");
const choices = positionals[0] === "onnx-parity" ? NETWORKS : MODEL_NAMES;
const kills = values.kills === undefined ? undefined : Number(values.kills);
const mutations = values.mutations === undefined ? undefined : Number(values.mutations);
const requests = values.requests === undefined ? undefined : Number(values.requests);
const { only } = values;
const parts: readonly string[] = positionals[0] === "detect" ? DETECTION_RUNS : SPEECH_PARTS;
const isPart = only === undefined || parts.includes(only);
const areCounts = [kills, mutations, requests].every((count = 1) => Number.isInteger(count) && count > 0);
const { sheets } = values;
if (benchmark === undefined || !areCounts || !isPart || models?.some((name) => !choices.includes(name))) {
  console.error(
    "usage: npm run bench -- NAME [--json] [--models MODEL,MODEL] [--no-peers] [--kills N] [--mutations N] " +
      `[--requests N] [--only PART] [--sheets FOLDER], with NAME one of ${Object.keys(benchmarks).join(", ")}, MODEL one of ` +
      `${choices.join(", ")} and PART one of ${parts.join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const result = await benchmark({
    ...(models && { models }),
    ...(kills && { kills }),
    ...(mutations && { mutations }),
    ...(requests && { requests }),
    ...(only !== undefined && { only }),
    ...(sheets && { sheets }),
    peers: !values["no-peers"],
  });
  if (values.json !== true) console.table(result.models ?? result);
  console.log(JSON.stringify(result));
}
