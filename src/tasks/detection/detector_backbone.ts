/** The backbones that detectors stand on. */
import { ImageEncoder } from "../../backbones/image_encoder.js";
import { createImageBackbone } from "../../backbones/index.js";
import { OnnxMapEncoder } from "../../backbones/onnx_map_encoder.js";
import { ConfigurationError } from "../../errors.js";
import { decodeOnnx } from "../../onnx/index.js";
import type { DetectorBackbone } from "./object_detector_options.js";

/** A backbone with the file that it comes from, to travel with a saved task. */
export interface ResolvedBackbone extends DetectorBackbone {
  onnx?: Uint8Array;
}

/** @throws ConfigurationError as `createImageBackbone` does; `ERR_BACKBONE_MAPS` for one without maps */
export function resolveDetectorBackbone(
  backbone: string | DetectorBackbone,
  pretrained?: boolean | string,
): ResolvedBackbone {
  if (typeof backbone !== "string") return backbone;
  const created = createImageBackbone(backbone, pretrained);
  const { name, input } = created;
  if (created.kind === "module" && created.onnx !== undefined)
    return onnxDetectorBackbone(name, created.onnx.model, input);
  if (created.kind === "module" && created.module instanceof ImageEncoder)
    return { name, module: created.module, input, pretrained: created.pretrained };
  throw new ConfigurationError(
    "ERR_BACKBONE_MAPS",
    `The backbone ${created.name} gives no maps of features. Use one written with nn, such as mobilenet_v2 or resnet18, or a ` +
      "folder with an ONNX model.",
  );
}

/** A detector's backbone from the bytes of an ONNX model. */
export function onnxDetectorBackbone(
  name: string,
  onnx: Uint8Array,
  input: DetectorBackbone["input"],
): ResolvedBackbone {
  return { name, onnx, input, pretrained: true, module: new OnnxMapEncoder(decodeOnnx(onnx)) };
}
