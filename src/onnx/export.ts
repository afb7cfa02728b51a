/**
 * Export to ONNX: what a module computes in eval mode, as one file that any ONNX runtime runs.
 *
 * The function is recorded at several lengths of its dynamic axes (`export/record.ts`); where the recordings differ, the
 * graph gets operators that compute the difference from the shapes of its inputs (`export/merge_recordings.ts`). Then it is
 * simplified, batch norms go into the convolutions before them, and it is written in an opset that others read. Before
 * anything is written the model runs in ONNX Runtime, at lengths that it was not recorded at, beside the module.
 *
 * A task calls `exportOnnx` on itself, with `forward` as the file is to compute it and `taskMetadata` as its metadata:
 *
 * ```
 * return exportOnnx(this, path, {
 *   inputs: { input_ids: ids, attention_mask: mask }, // int32 HostTensors [2, 16], with numbers as they may come
 *   int64Inputs: ["input_ids", "attention_mask"], // what Hugging Face's models take
 *   dynamicAxes: { input_ids: { 0: "batch", 1: "sequence" }, attention_mask: { 0: "batch", 1: "sequence" } },
 *   forward: (given: BertInput) => ({ logits: this.forward(given) }),
 *   metadata: taskMetadata({ task: "TextClassifier", labels: this.labels }),
 *   weights,
 * });
 * ```
 */
import { ConfigurationError, describeChoices } from "../errors.js";
import type { AnyModule } from "../nn/index.js";
import { checkModel, expectations, type OnnxDifference } from "./export/check.js";
import { compressWeights, type WeightType } from "./export/compress_weights.js";
import { inlineModels } from "./export/inline_models.js";
import type { ExportGraph } from "./export/export_graph.js";
import type { DynamicAxes } from "./export/merge_recordings.js";
import { lowerOpset } from "./export/opset.js";
import { modelOfGraph } from "./export/model_of_graph.js";
import { recordDynamic } from "./export/record.js";
import { simplify } from "./export/simplify.js";
import { stageModel, type StagedModel } from "./export/staged_model.js";
import { Subject } from "./export/subject.js";

export { taskMetadata, type TaskDescription } from "./export/metadata.js";
export type { DynamicAxes, OnnxDifference, WeightType };

const WEIGHT_TYPES: readonly WeightType[] = ["float32", "float16", "int8"];

/** Options of every export. */
export interface OnnxExportOptions {
  /**
   * Names of axes that may have any length when the model runs, for each input by the number of the axis. Axes of one name
   * have one length. Default: the first axis of every input is the `batch`; `{}` fixes all lengths.
   *
   * Other axes must be longer than 1 in the inputs given. Where `forward` makes a table for each length, of positions say,
   * the file holds the one for these inputs: give them as long as inputs may become.
   */
  dynamicAxes?: DynamicAxes;
  /**
   * What the weights are stored in; it is computed in float32 all the same. `float16` halves the file. `int8` makes it a
   * quarter: symmetric, with a scale for each output channel. Default: `float32`.
   */
  weights?: WeightType;
  /**
   * Whether the weights lie in a second file beside the model, named as the model with `_data` appended: always, never, or
   * where they do not fit into one file of less than 2 GiB. Default: `auto`.
   */
  externalData?: boolean | "auto";
  /** Text by name, for the file's `metadata_props`. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /** The int32 inputs that the file takes as int64, as most published models do. Default: none. */
  int64Inputs?: readonly string[];
}

/** What to export of a module, and how. */
export interface OnnxModuleExportOptions<Input = never> extends OnnxExportOptions {
  /**
   * An input: a tensor or HostTensor, or those in arrays and objects. One alone is called `input`; those in objects have
   * their keys' names, those in arrays their numbers. A uint8 HostTensor makes an input that takes bytes.
   */
  inputs: unknown;
  /**
   * What to compute, where that is not the module's own `forward`: a function of tensors in the form of `inputs`. Its results
   * are named likewise, one alone `output`.
   */
  forward?: (input: Input) => unknown;
  /**
   * Adds nodes behind the results, for what TensorFlow.js has no operators for, and may choose other outputs. The graph has been
   * compared with the module by then; after this it is only run.
   */
  finish?: (graph: ExportGraph) => void;
}

/** What has been written. */
export interface OnnxExport {
  path: string;
  /** The size of the file, with that of the weights' own where there is one. */
  bytes: number;
  /** The version of ONNX's operators that it is written in: 17, or later where an operator is younger. */
  opset: number;
  /** How far its results are from the module's, at the lengths at which they were compared. */
  difference: OnnxDifference;
}

/**
 * Writes what a module computes in eval mode as an ONNX file, after running it beside the module.
 *
 * @throws ConfigurationError `ERR_ONNX_SAMPLE` where there is no tensor in the inputs or results, `ERR_EXPORT_AXES` for
 *   dynamic axes that do not fit them, `ERR_EXPORT_OPTION` for weights of an unknown type
 * @throws EngineError `ERR_ONNX_EXPORT` where `forward` reads values that depend on its input
 * @throws OnnxError `ERR_EXPORT_DYNAMIC` naming the operator that depends on a length in a way that ONNX cannot hold;
 *   `ERR_EXPORT_CHECK` where the model's results are not the module's
 * @throws CheckpointError `ERR_FILE_WRITE`; what was there before is intact
 */
export async function exportOnnx<Input = never>(
  module: AnyModule,
  path: string,
  {
    inputs,
    forward,
    finish,
    dynamicAxes,
    weights = "float32",
    externalData = "auto",
    metadata,
    int64Inputs,
  }: OnnxModuleExportOptions<Input>,
): Promise<OnnxExport> {
  if (!WEIGHT_TYPES.includes(weights)) {
    throw new ConfigurationError(
      "ERR_EXPORT_OPTION",
      `Weights cannot be stored as ${JSON.stringify(weights)}. ${describeChoices(String(weights), WEIGHT_TYPES)}`,
    );
  }
  const subject = new Subject(module, inputs, { forward, dynamicAxes, int64Inputs });
  const { graph, checks } = recordDynamic(subject);
  simplify(graph);
  lowerOpset(graph, subject.importedOpset);
  inlineModels(graph, subject.importedModels());
  const expected = expectations(subject, checks);
  const smaller = weights === "float32" ? [] : [compressWeights(graph, weights)];
  let staged: StagedModel | undefined;
  let difference: OnnxDifference = { absolute: 0, relative: 0 };
  try {
    // The graph itself must be right; only then it is a matter of how much smaller weights lose.
    const stage = async (version: ExportGraph): Promise<StagedModel> => {
      await staged?.discard();
      return (staged = await stageModel(path, modelOfGraph(version, metadata), externalData));
    };
    const versions = [graph, ...smaller];
    for (const [i, version] of versions.entries()) {
      difference = checkModel((await stage(version)).source, expected, i > 0);
    }
    if (finish !== undefined) {
      const finished = versions.at(-1)!;
      finish(finished);
      const samples = expected.map((expectation) => ({ ...expectation, outputs: {} }));
      checkModel((await stage(finished)).source, samples);
    }
    await staged!.commit();
  } finally {
    await staged?.discard();
  }
  return { path, bytes: staged!.bytes, opset: graph.opset, difference };
}
