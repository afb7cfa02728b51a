/** What a saved ObjectDetector holds, and how its backbone comes back. */
import type { TaskFile } from "../task_file.js";
import { onnxDetectorBackbone, resolveDetectorBackbone, type ResolvedBackbone } from "./detector_backbone.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** The name of a backbone's ONNX model among the files of a saved task. */
const MODEL_FILE = "backbone.onnx";

/** What the file says of the task besides its weights. */
export interface SavedObjectDetector {
  labels: readonly string[];
  imageSize: number;
  backbone: { name: string; input: DetectorBackbone["input"]; isOnnx: boolean };
}

/** The files that travel with a task. */
export function savedFiles({ onnx }: ResolvedBackbone): TaskFile["files"] {
  return onnx === undefined ? {} : { [MODEL_FILE]: onnx };
}

/** The backbone that a saved task was made with; its weights are yet to be restored. */
export function restoreDetectorBackbone(
  { backbone: { name, input, isOnnx } }: SavedObjectDetector,
  files: TaskFile["files"],
): ResolvedBackbone {
  if (isOnnx) return onnxDetectorBackbone(name, files[MODEL_FILE]!, input);
  return { ...resolveDetectorBackbone(name, false), input, pretrained: true };
}
