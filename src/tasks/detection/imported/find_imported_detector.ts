/** Finds the file of a detector, and says which kind it is. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { findBackboneFolder } from "../../../backbones/backbone_folder.js";
import { looksLikeRepository } from "../../../backbones/hub/index.js";
import { availableBackbones } from "../../../backbones/index.js";
import { ConfigurationError } from "../../../errors.js";
import { decodeOnnx } from "../../../onnx/index.js";
import { readDetectorLabels } from "./detector_labels.js";
import { readDetectorInput } from "./detector_image_input.js";
import { QueryDetector } from "./query_detector.js";
import { isQueryModel, maskSizeOf } from "./query_network.js";
import { YoloxDetector } from "./yolox_detector.js";
import { findYolox } from "./yolox_structure.js";

/** A detector that others have trained. */
export type ImportedDetector = YoloxDetector | QueryDetector;

/** In the Hugging Face layout. */
const USUAL_FILES = ["onnx/model.onnx", "model.onnx"];
/** What a folder has that is meant as a backbone. */
const CONFIGURATIONS = ["preprocessor_config.json", "config.json"];

/**
 * @param given an ONNX file, a folder with one, a name of `availableBackbones("detection")`, or a repository on the hub
 * @returns undefined for anything that is not meant as a detector
 * @throws ConfigurationError `ERR_DETECTOR_MODEL` for an ONNX file that is neither a detector nor a backbone,
 *   `ERR_DETECTOR_LABELS`, `ERR_PRETRAINED_OPTION`
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
 * @throws OnnxError for a file that is no whole ONNX model
 */
export function findImportedDetector(
  given: string,
  pretrained?: boolean | string,
): ImportedDetector | undefined {
  const found = findModel(given);
  if (found === undefined) return undefined;
  const { path, folder, name } = found;
  const model = decodeOnnx(readFileSync(path));
  if (isQueryModel(model)) {
    refusePretrained(name, pretrained);
    const labels = readDetectorLabels(folder);
    return new QueryDetector(path, {
      name,
      labels,
      input: readDetectorInput(folder),
      maskSize: maskSizeOf(model),
    });
  }
  const structure = findYolox(model);
  if (typeof structure === "string") {
    const isBackbone =
      !given.endsWith(".onnx") && CONFIGURATIONS.some((file) => existsSync(join(folder, file)));
    if (isBackbone) return undefined;
    throw new ConfigurationError(
      "ERR_DETECTOR_MODEL",
      `${path} is no detector of a known kind. It is no YOLOX: ${structure}. It is no DETR: its outputs are ` +
        `${model.graph.outputs.map(({ name }) => name).join(", ")}, where logits and pred_boxes are expected. For a backbone ` +
        "without a detector, give a folder with preprocessor_config.json and onnx/model.onnx.",
    );
  }
  refusePretrained(name, pretrained);
  return new YoloxDetector(model, structure, { name, labels: readDetectorLabels(folder) });
}

interface FoundModel {
  /** Of the ONNX file. */
  path: string;
  /** Where configurations lie. */
  folder: string;
  name: string;
}

/** The ONNX file, where there is one. */
function findModel(given: string): FoundModel | undefined {
  const status = statSync(given, { throwIfNoEntry: false });
  if (status?.isFile() === true && given.endsWith(".onnx"))
    return { path: resolve(given), folder: dirname(resolve(given)), name: basename(given, ".onnx") };
  if (status?.isDirectory() === true) {
    const files = readdirSync(given).filter((file) => file.endsWith(".onnx"));
    const usual = USUAL_FILES.find((file) => existsSync(join(given, file)));
    const file = usual ?? (files.length === 1 ? files[0]! : undefined);
    if (file === undefined) return undefined;
    const folder = resolve(given);
    return { path: join(folder, file), folder, name: basename(folder) };
  }
  const isNamed = (availableBackbones("detection") as readonly string[]).includes(given);
  if (!isNamed && !looksLikeRepository(given)) return undefined;
  const { folder, files } = findBackboneFolder("detection", given);
  return files.weights === "onnx" ? { path: join(folder, files.main), folder, name: given } : undefined;
}

function refusePretrained(name: string, pretrained: boolean | string | undefined): void {
  if (pretrained === undefined || pretrained === true) return;
  throw new ConfigurationError(
    "ERR_PRETRAINED_OPTION",
    `The detector ${name} brings its own weights; leave \`pretrained\` out.`,
  );
}
