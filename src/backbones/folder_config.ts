/** What the configurations in a backbone's folder say: how pictures are prepared, and which architecture the weights are of. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import { parseImageInput, parseTimmInput } from "./huggingface_image_input.js";
import type { ImageInput } from "./image_backbone.js";
import { imageBackbones } from "./registry/image.js";

const PREPROCESSOR = "preprocessor_config.json";
/** What the newest processors write in place of it. */
const PROCESSOR = "processor_config.json";
const CONFIG = "config.json";

/**
 * How pictures are prepared for the model of a folder: by its `preprocessor_config.json`, or the part of its
 * `processor_config.json` or timm's `config.json` that says so.
 *
 * @returns undefined where no file says it
 * @throws ConfigurationError `ERR_PREPROCESSOR_CONFIG`, and `ERR_BACKBONE_FOLDER` for a file that is no JSON
 */
export function readImageInput(folder: string): ImageInput | undefined {
  const preprocessor = readConfig(folder, PREPROCESSOR);
  if (preprocessor !== undefined) return parseImageInput(preprocessor, join(folder, PREPROCESSOR));
  const processor = readConfig(folder, PROCESSOR) as { image_processor?: unknown } | undefined;
  if (processor?.image_processor !== undefined)
    return parseImageInput(processor.image_processor, join(folder, PROCESSOR));
  const config = readConfig(folder, CONFIG);
  return config === undefined ? undefined : parseTimmInput(config, join(folder, CONFIG));
}

/** The registry's name of the architecture that a folder's weights are of, where its configuration says it as timm's does. */
export function architectureOfFolder(folder: string): string | undefined {
  const config = readConfig(folder, CONFIG) as { architecture?: unknown } | undefined;
  if (typeof config?.architecture !== "string") return undefined;
  const prefix = `timm/${config.architecture}.`;
  return Object.entries(imageBackbones).find(
    ([, entry]) => "source" in entry && entry.source.startsWith(prefix),
  )?.[0];
}

/** The parsed file; undefined where there is none. @throws ConfigurationError `ERR_BACKBONE_FOLDER` for one that is no JSON */
export function readConfig(folder: string, name: string): unknown {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (error) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${path} is not valid JSON.`, { cause: error });
  }
}
