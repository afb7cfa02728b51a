/** Finds the file of a detector, and says which kind it is. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { findBackboneFolder } from "../../../backbones/backbone_folder.js";
import { availableBackbones } from "../../../backbones/index.js";
import { ConfigurationError } from "../../../errors.js";
import { decodeOnnx } from "../../../onnx/index.js";
import { readDetectorLabels } from "./detector_labels.js";
import { YoloxDetector, type ImportedDetector } from "./imported_detector.js";
import { findYolox } from "./yolox_structure.js";

/** In the Hugging Face layout. */
const USUAL_FILES = ["onnx/model.onnx", "model.onnx"];
/** What a folder has that is meant as a backbone. */
const CONFIGURATIONS = ["preprocessor_config.json", "config.json"];

/**
 * @param given an ONNX file, a folder with one, a name of `availableBackbones("detection")`
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
  const path = findModel(given);
  if (path === undefined) return undefined;
  const name = path === resolve(given) ? basename(path, ".onnx") : basename(resolve(given));
  const folder = path === resolve(given) ? dirname(path) : resolve(given);
  const model = decodeOnnx(readFileSync(path));
  const structure = findYolox(model);
  if (typeof structure === "string") {
    const isBackbone = path !== resolve(given) && CONFIGURATIONS.some((file) => existsSync(join(folder, file)));
    if (isBackbone) return undefined;
    throw new ConfigurationError(
      "ERR_DETECTOR_MODEL",
      `${path} is no detector of a known kind. It is no YOLOX: ${structure}. For a backbone without a detector, give a folder ` +
        "with preprocessor_config.json and onnx/model.onnx.",
    );
  }
  refusePretrained(name, pretrained);
  return new YoloxDetector(model, structure, { name, labels: readDetectorLabels(folder) });
}

/** The path of the ONNX file, where there is one. */
function findModel(given: string): string | undefined {
  const status = statSync(given, { throwIfNoEntry: false });
  if (status?.isFile() === true && given.endsWith(".onnx")) return resolve(given);
  if (status?.isDirectory() === true) {
    const usual = USUAL_FILES.find((file) => existsSync(join(given, file)));
    if (usual !== undefined) return resolve(given, usual);
    const files = readdirSync(given).filter((file) => file.endsWith(".onnx"));
    return files.length === 1 ? resolve(given, files[0]!) : undefined;
  }
  if (!(availableBackbones("detection") as readonly string[]).includes(given)) return undefined;
  const { folder, files } = findBackboneFolder("detection", given);
  return join(folder, files.main);
}

function refusePretrained(name: string, pretrained: boolean | string | undefined): void {
  if (pretrained === undefined || pretrained === true) return;
  throw new ConfigurationError(
    "ERR_PRETRAINED_OPTION",
    `The detector ${name} brings its own weights; leave \`pretrained\` out.`,
  );
}
