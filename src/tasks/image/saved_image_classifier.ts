/** What a saved ImageClassifier holds, and how its backbone comes back. */
import {
  createArchitecture,
  hasArchitecture,
  onnxBackbone,
  type ImageBackbone,
  type ImageInput,
} from "../../backbones/index.js";
import { ConfigurationError } from "../../errors.js";
import type { Linear, Module } from "../../nn/index.js";
import { headOf } from "../head_state.js";
import type { ImageClassifierOptions } from "./image_classifier_options.js";

/** The name of a backbone's ONNX model among the files of a saved task. */
const MODEL_FILE = "backbone.onnx";

/** What the file says of the task besides its weights. */
export interface SavedImageClassifier {
  options: Omit<ImageClassifierOptions, "data" | "backbone" | "pretrained" | "cacheFeatures">;
  source: { kind: ImageBackbone["kind"]; name: string; numFeatures: number };
  input: ImageInput;
}

/**
 * The backbone that a saved task was made with; its weights are yet to be restored.
 *
 * @throws ConfigurationError `ERR_BACKBONE_MISSING` for one that is not Kindling's
 */
export function restoreBackbone(
  path: string,
  { source: { name }, input }: SavedImageClassifier,
  files: Record<string, Uint8Array>,
): ImageBackbone {
  if (files[MODEL_FILE] !== undefined) return onnxBackbone(name, files[MODEL_FILE], input);
  if (hasArchitecture(name)) return { ...createArchitecture(name), pretrained: true };
  throw new ConfigurationError(
    "ERR_BACKBONE_MISSING",
    `${path} was saved with the backbone ${JSON.stringify(name)}, which is none of Kindling's. ` +
      "The file holds its weights but no code: load it with { backbone }.",
  );
}

/** A task whose backbone may be an ONNX model. */
type Task = Module<never, unknown> & { readonly head: Linear };

/** What a task is saved as. An ONNX model holds the weights of its backbone itself, as far as it can. */
export function savedParts(
  task: Task,
  source: ImageBackbone,
): { state: Module<never, unknown>; files: Record<string, Uint8Array> } {
  if (source.kind === "frozen") return { state: task, files: { [MODEL_FILE]: source.model } };
  if (source.onnx === undefined) return { state: task, files: {} };
  const current = source.onnx.currentModel();
  return current === undefined
    ? { state: task, files: { [MODEL_FILE]: source.onnx.model } }
    : { state: headOf(task), files: { [MODEL_FILE]: current } };
}
