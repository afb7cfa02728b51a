/** Which files of a repository or folder in the Hugging Face layout a backbone is made of. */
import { ConfigurationError, describeChoices } from "../errors.js";

/** The ends of ONNX files' names, as transformers.js's exporters write them. */
const ONNX_SUFFIXES = {
  fp32: "",
  fp16: "_fp16",
  int8: "_int8",
  uint8: "_uint8",
  q8: "_quantized",
  q4: "_q4",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
} as const;

/** The type of an ONNX file's weights, by transformers.js's names. */
export type BackboneDtype = keyof typeof ONNX_SUFFIXES;

/** What is looked for among a backbone's files. */
export interface BackboneFileOptions {
  /** Default: ONNX where there is a file, else safetensors. */
  weights?: "onnx" | "safetensors" | undefined;
  /** The ONNX file of float32 weights. Default: `onnx/model.onnx`, else `model.onnx`. */
  file?: string | undefined;
  /** Default: `fp32`. */
  dtype?: BackboneDtype | undefined;
}

/** The files of a backbone, as paths with slashes. */
export interface BackboneFiles {
  readonly weights: "onnx" | "safetensors";
  /** The file to open; what else belongs to the weights lies beside it. */
  readonly main: string;
  /** All files: weights, configurations, tokenizers. */
  readonly all: readonly string[];
}

const DEFAULT_ONNX_FILES = ["onnx/model.onnx", "model.onnx"];
const SAFETENSORS_FILES = ["model.safetensors", "model.safetensors.index.json"];
/** Configurations and vocabularies: at the top or where sentence-transformers say how to pool, and small. */
const SMALL_FILES = /^(1_Pooling\/)?[^/]+\.(json|txt|model)$/;

/**
 * @param files all that there are
 * @param source the repository or folder, for errors
 * @throws ConfigurationError `ERR_BACKBONE_DTYPE` for a type of weights that no file has; `ERR_BACKBONE_FOLDER` where there
 *   are no weights that can be used
 */
export function chooseBackboneFiles(
  files: readonly string[],
  source: string,
  { weights, file, dtype = "fp32" }: BackboneFileOptions = {},
): BackboneFiles {
  checkDtype(dtype);
  const small = files.filter((path) => SMALL_FILES.test(path) && !path.endsWith(".safetensors.index.json"));
  const originals = file === undefined ? DEFAULT_ONNX_FILES : [file];
  const isOnnx = weights !== "safetensors";
  const wanted = originals.map((path) => path.replace(/\.onnx$/, `${ONNX_SUFFIXES[dtype]}.onnx`));
  const onnx = isOnnx ? wanted.find((path) => files.includes(path)) : undefined;
  if (onnx !== undefined) {
    const external = files.filter((path) => path.startsWith(`${onnx}_data`) || path === `${onnx}.data`);
    return { weights: "onnx", main: onnx, all: [...small, onnx, ...external] };
  }
  if (isOnnx) refuseMissingDtype(files, source, originals, dtype);
  const main = weights === "onnx" ? undefined : SAFETENSORS_FILES.find((path) => files.includes(path));
  if (main !== undefined) {
    const parts = files.filter((path) => /^model-\d+-of-\d+\.safetensors$/.test(path));
    return { weights: "safetensors", main, all: [...small, main, ...(main.endsWith(".json") ? parts : [])] };
  }
  const expected = weights === "safetensors" ? SAFETENSORS_FILES[0]! : wanted[0]!;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `${source} has no weights that Kindling can use: expected ${expected}, and it has ${describeFiles(files)}. ` +
      'Choose a repository with ONNX files (those of "onnx-community" and "Xenova" have them), or export the model with Hugging Face Optimum.',
  );
}

/** Whether an ONNX file has weights in files beside it. */
export function keepsWeightsApart({ main, all }: BackboneFiles): boolean {
  return all.some((path) => path !== main && path.startsWith(main));
}

function refuseMissingDtype(
  files: readonly string[],
  source: string,
  originals: readonly string[],
  dtype: BackboneDtype,
): void {
  const available = Object.entries(ONNX_SUFFIXES)
    .filter(([, suffix]) =>
      originals.some((path) => files.includes(path.replace(/\.onnx$/, `${suffix}.onnx`))),
    )
    .map(([name]) => name);
  if (available.length === 0) return;
  throw new ConfigurationError(
    "ERR_BACKBONE_DTYPE",
    `${source} has no ONNX file with ${dtype} weights. ${describeChoices(dtype, available)}`,
  );
}

function checkDtype(dtype: string): void {
  if (Object.hasOwn(ONNX_SUFFIXES, dtype)) return;
  throw new ConfigurationError(
    "ERR_BACKBONE_DTYPE",
    `There is no type of weights ${JSON.stringify(dtype)}. ${describeChoices(dtype, Object.keys(ONNX_SUFFIXES))}`,
  );
}

function describeFiles(files: readonly string[]): string {
  const weights = files.filter((path) => /\.(onnx|safetensors|bin|pt|pth|h5|msgpack|gguf)$/.test(path));
  const shown = (weights.length > 0 ? weights : files).slice(0, 8);
  return shown.length === 0 ? "no files" : shown.join(", ");
}
