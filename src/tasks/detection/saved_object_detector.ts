/** What a saved ObjectDetector holds, and how its network comes back. */
import type { AnyModule, Module } from "../../nn/index.js";
import { PartsOnly } from "../parts_only.js";
import type { TaskFile } from "../task_file.js";
import { onnxDetectorBackbone, resolveDetectorBackbone } from "./detector_backbone.js";
import { BackboneSource, type DetectorSource } from "./detector_source.js";
import type { ImportedDetector } from "./imported/find_imported_detector.js";
import type { DetectorImageInput } from "./imported/detector_image_input.js";
import { QueryDetector, restoreQueryDetector } from "./imported/query_detector.js";
import { QueryNetwork } from "./imported/query_network.js";
import { restoreYolox } from "./imported/yolox_detector.js";
import { YoloxNetwork } from "./imported/yolox_network.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import type { DetectorBackbone, DetectorHead } from "./object_detector_options.js";

/** The name of a backbone's ONNX model among the files of a saved task. */
const MODEL_FILE = "backbone.onnx";
/** The name of a whole detector's. */
const DETECTOR_FILE = "detector.onnx";
const BACKBONE = "network.backbone";

/** What the file says of the task besides its weights. */
export interface SavedObjectDetector {
  labels: readonly string[];
  imageSize: number;
  backbone: { name: string; input: DetectorBackbone["input"] | DetectorImageInput; isOnnx: boolean };
  /** Of a network on a backbone. Default: `fcos`. */
  head?: DetectorHead | undefined;
}

type Task = Module<never, unknown> & { readonly network: DetectorNetwork };

interface SavedParts {
  backbone: SavedObjectDetector["backbone"];
  files: TaskFile["files"];
  /** The weights that are in none of the files. */
  state: AnyModule;
}

/** What a task is saved as. An ONNX model holds its weights itself, as far as it can. */
export async function savedParts(task: Task, source: DetectorSource): Promise<SavedParts> {
  const { name, input } = source;
  const detector =
    task.network instanceof YoloxNetwork
      ? task.network.toOnnx()
      : source instanceof QueryDetector
        ? await source.bytes()
        : undefined;
  if (detector !== undefined) {
    const backbone = { name, input, isOnnx: true };
    return { backbone, files: { [DETECTOR_FILE]: detector }, state: new PartsOnly([]) };
  }
  const onnx = source instanceof BackboneSource ? source.backbone.onnx : undefined;
  const backbone = { name, input, isOnnx: onnx !== undefined };
  if (onnx === undefined) return { backbone, files: {}, state: task };
  const current = onnx.currentModel();
  return current === undefined
    ? { backbone, files: { [MODEL_FILE]: onnx.model }, state: task }
    : { backbone, files: { [MODEL_FILE]: current }, state: withoutBackbone(task) };
}

/** The head of a network on a backbone. */
export function savedHead(source: DetectorSource): DetectorHead | undefined {
  return source instanceof BackboneSource ? source.head : undefined;
}

/** What of a task a saved state is for. */
export function savedModule(task: Task, state: TaskFile["state"]): AnyModule {
  const { network } = task;
  if (network instanceof YoloxNetwork || network instanceof QueryNetwork) return new PartsOnly([]);
  const holdsBackbone = Object.keys(state).some((name) => name.startsWith(`${BACKBONE}.`));
  return holdsBackbone ? task : withoutBackbone(task);
}

/** What a saved task was made of; weights that are in none of its files are yet to be restored. */
export function restoreSource(
  { labels, backbone: { name, input, isOnnx } }: SavedObjectDetector,
  files: TaskFile["files"],
): DetectorBackbone | ImportedDetector {
  const detector = files[DETECTOR_FILE];
  if (detector !== undefined)
    return "resize" in input
      ? restoreQueryDetector(detector, { name, labels, input })
      : restoreYolox(detector, { name, labels });
  if (isOnnx) return onnxDetectorBackbone(name, files[MODEL_FILE]!, input);
  return { ...resolveDetectorBackbone(name, false), input, pretrained: true };
}

function withoutBackbone({ network }: Task): PartsOnly {
  const children = Array.from(network.namedChildren(), ([name, part]) => [`network.${name}`, part] as const);
  return new PartsOnly(children.filter(([name]) => name !== BACKBONE));
}
