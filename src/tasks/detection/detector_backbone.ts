/** The backbones that detectors stand on. */
import { findImageBackbone, ImageEncoder, OnnxMapEncoder } from "../../backbones/index.js";
import { ConfigurationError } from "../../errors.js";
import { decodeOnnx } from "../../onnx/index.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** A backbone with what a task is saved with. */
export interface ResolvedBackbone extends DetectorBackbone {
  onnx?: OnnxFile;
}

/** What a backbone was made of. */
interface OnnxFile {
  readonly model: Uint8Array;
  /** The file with the weights as they are now; undefined where it keeps weights in another form than float32. */
  currentModel(): Uint8Array | undefined;
}

/** @throws ConfigurationError as `createImageBackbone` does; `ERR_BACKBONE_MAPS` for one without maps */
export function resolveDetectorBackbone(
  backbone: string | DetectorBackbone,
  pretrained?: boolean | string,
): ResolvedBackbone {
  if (typeof backbone !== "string") return backbone;
  const found = findImageBackbone(backbone, pretrained);
  const { name, input } = found;
  if (found.kind === "file") return onnxDetectorBackbone(name, found.model, input);
  if (found.module instanceof ImageEncoder)
    return { name, module: found.module, input, pretrained: found.pretrained };
  throw new ConfigurationError(
    "ERR_BACKBONE_MAPS",
    `The backbone ${name} gives no maps of features. Use one written with nn, such as mobilenet_v2 or resnet18, or a ` +
      "folder with an ONNX model.",
  );
}

/** A detector's backbone from the bytes of an ONNX model. */
export function onnxDetectorBackbone(
  name: string,
  model: Uint8Array,
  input: DetectorBackbone["input"],
): ResolvedBackbone {
  const module = new OnnxMapEncoder(decodeOnnx(model));
  const onnx: OnnxFile = { model, currentModel: () => module.toOnnx() };
  return { name, module, input, pretrained: true, onnx };
}
