/** Fine-tuning on photos: a frozen pretrained MobileNetV2 and a new head, 5 epochs, against PyTorch doing the same. */
import { join } from "node:path";
import { ImageClassificationData, ImageClassifier, seedEverything, Trainer } from "kindling";
import { MOBILENET, PHOTOS, splitPhotos } from "./photos.js";
import { hasTorch, runPeer } from "./torch.js";

const EPOCHS = 5;
const BATCH_SIZE = 16;

interface PeerResult {
  accuracy: number;
  seconds: number;
  cachedSeconds: number;
}

/**
 * `torchSeconds` is PyTorch running the frozen backbone every epoch, as its fine-tuning scripts do; `torchCachedSeconds` is
 * PyTorch with the features kept, as Kindling keeps them. Both are the better of OpenMP's two ways to wait.
 */
export async function finetunePhotos(): Promise<Record<string, unknown>> {
  const { accuracy, seconds } = await train();
  const peers = hasTorch() ? (["passive", "active"] as const).map((policy) => peer(policy)) : [];
  const best = (key: keyof PeerResult) =>
    peers.length > 0 ? Math.min(...peers.map((result) => result[key])) : null;
  const torchSeconds = best("seconds");
  return {
    accuracy,
    seconds,
    torchSeconds,
    ratio: torchSeconds === null ? null : seconds / torchSeconds,
    torchAccuracy: best("accuracy"),
    torchCachedSeconds: best("cachedSeconds"),
  };
}

async function train(): Promise<{ accuracy: number; seconds: number }> {
  seedEverything(0);
  const { train, heldOut } = splitPhotos();
  const start = performance.now();
  const data = await ImageClassificationData.fromFiles({ train, val: heldOut, batchSize: BATCH_SIZE });
  const task = new ImageClassifier({ data, backbone: MOBILENET });
  const trainer = new Trainer({ maxEpochs: EPOCHS, logger: false, enableCheckpointing: false });
  await trainer.finetune(task, data, { strategy: "freeze" });
  const seconds = (performance.now() - start) / 1000;
  const { val_accuracy: accuracy } = await new Trainer({ logger: false }).validate(task, data);
  return { accuracy: accuracy!, seconds };
}

function peer(policy: "active" | "passive"): PeerResult {
  const model = join(MOBILENET, "onnx", "model.onnx");
  return runPeer<PeerResult>(
    "finetune_photos.py",
    [PHOTOS, model, String(EPOCHS), String(BATCH_SIZE)],
    policy,
  );
}
