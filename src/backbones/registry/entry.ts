/** What a line of the registry says of a backbone, whatever it takes in. */

/**
 * How far a backbone has been tried where Kindling is tested, which the hub cannot be reached from: its published weights, its
 * architecture with weights of the tests' own, or not at all.
 */
export type Tried = "weights" | "architecture" | "no";

/** A line of the registry. */
export interface BackboneEntry {
  /** The repository on the Hugging Face hub that its weights come from. Left out: it starts from random weights. */
  readonly source?: string;
  /** What is taken from there: an ONNX file, or the weights of an architecture of Kindling's own. */
  readonly weights?: "onnx" | "safetensors";
  /** The ONNX file in the repository, where it is not `onnx/model.onnx`. */
  readonly file?: string;
  /** Width of the features. */
  readonly numFeatures: number;
  /** Parameters of the backbone without a head, in millions. */
  readonly parameters: number;
  /** SPDX identifier of the weights' licence, as their publisher states it. */
  readonly licence: string;
  readonly tried: Tried;
}
