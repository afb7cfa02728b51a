/** The backbones that detectors stand on. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseImageInput } from "../../backbones/huggingface_image_input.js";
import { ImageEncoder } from "../../backbones/image_encoder.js";
import { createImageBackbone, type ImageInput } from "../../backbones/index.js";
import { OnnxMapEncoder } from "../../backbones/onnx_map_encoder.js";
import { ConfigurationError } from "../../errors.js";
import { decodeModel } from "../../onnx/format/decode.js";
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
  if (existsSync(backbone) && statSync(backbone).isDirectory()) return fromFolder(backbone);
  const created = createImageBackbone(backbone, pretrained);
  if (created.kind === "module" && created.module instanceof ImageEncoder) {
    return {
      name: created.name,
      module: created.module,
      input: created.input,
      pretrained: created.pretrained,
    };
  }
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
  const model = decodeModel(onnx, { source: name, ownsBytes: true, external: [] });
  return { name, onnx, input, pretrained: true, module: new OnnxMapEncoder(model) };
}

function fromFolder(folder: string): ResolvedBackbone {
  const path = join(folder, "preprocessor_config.json");
  const input: ImageInput = parseImageInput(JSON.parse(readFileSync(path, "utf8")), path);
  return onnxDetectorBackbone(
    basename(resolve(folder)),
    readFileSync(join(folder, "onnx", "model.onnx")),
    input,
  );
}
