/** What a saved ImageClassifier holds, and how its backbone comes back. */
import {
  availableBackbones,
  createArchitecture,
  frozenBackbone,
  type ImageBackbone,
  type ImageInput,
} from "../../backbones/index.js";
import { ConfigurationError } from "../../errors.js";
import type { ImageClassifierOptions } from "./image_classifier_options.js";

/** The name of a frozen backbone's ONNX model among the files of a saved task. */
export const MODEL_FILE = "backbone.onnx";

/** What the file says of the task besides its weights. */
export interface SavedImageClassifier {
  options: Omit<ImageClassifierOptions, "data" | "backbone" | "pretrained">;
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
  { source: { kind, name }, input }: SavedImageClassifier,
  files: Record<string, Uint8Array>,
): ImageBackbone {
  if (kind === "frozen") return frozenBackbone(name, files[MODEL_FILE]!, input);
  if (availableBackbones().some((known) => known === name)) return { ...createArchitecture(name), pretrained: true };
  throw new ConfigurationError(
    "ERR_BACKBONE_MISSING",
    `${path} was saved with the backbone ${JSON.stringify(name)}, which is none of Kindling's. ` +
      "The file holds its weights but no code: load it with { backbone }.",
  );
}
