/** Fine-tuning a whole ONNX model on photos: its accuracy beside a frozen one's, its step beside PyTorch's, and its export. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  decodeImage,
  ImageClassificationData,
  ImageClassifier,
  seedEverything,
  Trainer,
  type FinetuningStrategy,
  type WeightType,
} from "kindling";
import type { OnnxStepMeasurement } from "./finetune_onnx_step_process.js";
import type { BenchOptions } from "./options.js";
import { MOBILENET, splitPhotos } from "./photos.js";
import { runFresh } from "./process.js";
import { bestPeer, hasTorch } from "./torch.js";

const EPOCHS = 5;
const UNFREEZE_EPOCH = 2;
const BATCH_SIZE = 16;
const LIMITS = ["4", "20", "60"];

/**
 * `freezeUnfreezeAccuracy` is that of a backbone that trains from the third of five epochs on, `freezeAccuracy` that of one
 * which never does. `stepMs` is a step of the unfrozen model, 16 pictures of 224 x 224, and `torchStepMs` PyTorch's best
 * with the same weights. `export` compares the task with its ONNX file in plain ONNX Runtime on the held-out photos;
 * `exportFloat16` and `exportInt8` likewise, with smaller weights.
 */
export async function finetuneOnnx({ peers }: BenchOptions): Promise<Record<string, unknown>> {
  const step = runFresh<OnnxStepMeasurement>("finetune_onnx_step_process.ts", LIMITS);
  const model = join(MOBILENET, "onnx", "model.onnx");
  const torch = peers && hasTorch() ? bestPeer("finetune_onnx_step.py", model, LIMITS) : null;
  const frozen = await train("freeze");
  const whole = await train(["freeze_unfreeze", UNFREEZE_EPOCH]);
  return {
    freezeAccuracy: frozen.accuracy,
    freezeUnfreezeAccuracy: whole.accuracy,
    freezeSeconds: frozen.seconds,
    freezeUnfreezeSeconds: whole.seconds,
    stepMs: step.ms,
    stepFallbackKernels: step.fallbackKernels,
    torchStepMs: torch?.ms ?? null,
    stepRatio: torch === null ? null : step.ms / torch.ms,
    export: await compareExport(whole.task, "float32"),
    exportFloat16: await compareExport(whole.task, "float16"),
    exportInt8: await compareExport(whole.task, "int8"),
  };
}

async function train(strategy: FinetuningStrategy) {
  seedEverything(0);
  const { train, heldOut } = splitPhotos();
  const start = performance.now();
  const data = await ImageClassificationData.fromFiles({ train, val: heldOut, batchSize: BATCH_SIZE });
  const task = new ImageClassifier({ data, backbone: MOBILENET });
  const trainer = new Trainer({ maxEpochs: EPOCHS, logger: false, enableCheckpointing: false });
  await trainer.finetune(task, data, { strategy });
  const seconds = (performance.now() - start) / 1000;
  const { val_accuracy: accuracy } = await new Trainer({ logger: false }).validate(task, data);
  return { task, accuracy: accuracy!, seconds };
}

/** The task's logits for the held-out photos beside those of its exported file in plain ONNX Runtime. */
async function compareExport(task: ImageClassifier, weights: WeightType) {
  const { files } = splitPhotos().heldOut;
  const expected = await task.predict(files, { output: "logits" });
  const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
  try {
    const path = join(folder, "photos.onnx");
    const { bytes } = await task.exportOnnx(path, { preprocessing: true, weights });
    const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
    let samePredictions = 0;
    let worst = 0;
    for (const [i, file] of files.entries()) {
      const { data, width, height } = await decodeImage(file, task.input);
      const feeds = { pixels: new Tensor("uint8", data, [1, height, width, 3]) };
      const logits = Array.from((await session.run(feeds)).logits!.data as Float32Array);
      if (logits.indexOf(Math.max(...logits)) === expected[i]!.indexOf(Math.max(...expected[i]!)))
        samePredictions++;
      worst = Math.max(worst, ...logits.map((logit, j) => Math.abs(logit - expected[i]![j]!)));
    }
    return { bytes, pictures: files.length, samePredictions, worstLogitDifference: worst };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
