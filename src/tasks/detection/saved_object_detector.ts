/** What a saved ObjectDetector holds, and how its network comes back. */
import { ModuleList, type AnyModule } from "../../nn/index.js";
import type { TaskFile } from "../task_file.js";
import { onnxDetectorBackbone, resolveDetectorBackbone } from "./detector_backbone.js";
import { PyramidSource, type DetectorSource } from "./detector_source.js";
import { restoreYolox, type ImportedDetector } from "./imported/imported_detector.js";
import { YoloxNetwork } from "./imported/yolox_network.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** The name of a backbone's ONNX model among the files of a saved task. */
const MODEL_FILE = "backbone.onnx";
/** The name of a whole detector's. */
const DETECTOR_FILE = "detector.onnx";

/** What the file says of the task besides its weights. */
export interface SavedObjectDetector {
  labels: readonly string[];
  imageSize: number;
  backbone: { name: string; input: DetectorBackbone["input"]; isOnnx: boolean };
}

/** What a task is saved as: files, and the weights that are in none of them. */
export function savedParts(
  task: AnyModule,
  { source, network }: { source: DetectorSource; network: DetectorNetwork },
): { backbone: SavedObjectDetector["backbone"]; files: TaskFile["files"]; state: AnyModule } {
  const { name, input } = source;
  if (network instanceof YoloxNetwork) {
    const files = { [DETECTOR_FILE]: network.toOnnx() };
    return { backbone: { name, input, isOnnx: true }, files, state: new ModuleList([]) };
  }
  const onnx = source instanceof PyramidSource ? source.backbone.onnx : undefined;
  return {
    backbone: { name, input, isOnnx: onnx !== undefined },
    files: onnx === undefined ? {} : { [MODEL_FILE]: onnx },
    state: task,
  };
}

/** What a saved task was made of; weights that are in none of its files are yet to be restored. */
export function restoreSource(
  { labels, backbone: { name, input, isOnnx } }: SavedObjectDetector,
  files: TaskFile["files"],
): DetectorBackbone | ImportedDetector {
  if (files[DETECTOR_FILE] !== undefined) return restoreYolox(files[DETECTOR_FILE], { name, labels });
  if (isOnnx) return onnxDetectorBackbone(name, files[MODEL_FILE]!, input);
  return { ...resolveDetectorBackbone(name, false), input, pretrained: true };
}
