/** What a saved ObjectDetector holds, and how its backbone comes back. */
import type { AnyModule, Module } from "../../nn/index.js";
import { PartsOnly } from "../parts_only.js";
import type { TaskFile } from "../task_file.js";
import { onnxDetectorBackbone, resolveDetectorBackbone, type ResolvedBackbone } from "./detector_backbone.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** The name of a backbone's ONNX model among the files of a saved task. */
const MODEL_FILE = "backbone.onnx";
const BACKBONE = "network.backbone";

/** What the file says of the task besides its weights. */
export interface SavedObjectDetector {
  labels: readonly string[];
  imageSize: number;
  backbone: { name: string; input: DetectorBackbone["input"]; isOnnx: boolean };
}

type Task = Module<never, unknown> & { readonly network: DetectorNetwork };

/** What a task is saved as. An ONNX model holds the weights of its backbone itself, as far as it can. */
export function savedParts(
  task: Task,
  { onnx }: ResolvedBackbone,
): { state: AnyModule; files: TaskFile["files"] } {
  if (onnx === undefined) return { state: task, files: {} };
  const current = onnx.currentModel();
  return current === undefined
    ? { state: task, files: { [MODEL_FILE]: onnx.model } }
    : { state: withoutBackbone(task), files: { [MODEL_FILE]: current } };
}

/** What of a task a saved state is for. */
export function savedModule(task: Task, state: TaskFile["state"]): AnyModule {
  const holdsBackbone = Object.keys(state).some((name) => name.startsWith(`${BACKBONE}.`));
  return holdsBackbone ? task : withoutBackbone(task);
}

/** The backbone that a saved task was made with; its weights are yet to be restored. */
export function restoreDetectorBackbone(
  { backbone: { name, input, isOnnx } }: SavedObjectDetector,
  files: TaskFile["files"],
): ResolvedBackbone {
  if (isOnnx) return onnxDetectorBackbone(name, files[MODEL_FILE]!, input);
  return { ...resolveDetectorBackbone(name, false), input, pretrained: true };
}

function withoutBackbone({ network }: Task): PartsOnly {
  const children = Array.from(network.namedChildren(), ([name, part]) => [`network.${name}`, part] as const);
  return new PartsOnly(children.filter(([name]) => name !== BACKBONE));
}
