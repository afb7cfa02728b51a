/** Runs one node. */
import { KindlingError, OnnxError } from "../../errors.js";
import type { OnnxValue } from "../values.js";
import { operatorKey, type OperatorContext } from "./context.js";
import { operators } from "./registry.js";

/** Axes of a tensor: as many as ONNX Runtime's own kernels take. */
const MAX_RANK = 8;

/**
 * The outputs of a node.
 *
 * @throws OnnxError `ERR_ONNX_RUN` where TF.js or the engine does not take the inputs; other errors of ours as they are
 */
export function computeNode(
  inputs: readonly (OnnxValue | undefined)[],
  context: OperatorContext,
): OnnxValue[] {
  const { node } = context;
  let outputs: OnnxValue[];
  try {
    outputs = operators.get(operatorKey(node))!([...inputs], context);
  } catch (error) {
    if (error instanceof KindlingError) throw error;
    throw new OnnxError(
      "ERR_ONNX_RUN",
      `${context.name} cannot be computed for ${describe(inputs)}: ${(error as Error).message} ` +
        "Check the shapes of what the model is given.",
      { cause: error },
    );
  }
  const missing = node.outputs.findIndex((name, i) => name !== "" && outputs[i] === undefined);
  if (missing >= 0)
    throw context.unsupported(
      `its output ${missing}, ${JSON.stringify(node.outputs[missing])}, is not computed`,
    );
  const rank = Math.max(...node.outputs.map((name, i) => (name === "" ? 0 : outputs[i]!.shape.length)));
  if (rank > MAX_RANK) throw context.unsupported(`its result has ${rank} axes, and ${MAX_RANK} are the most`);
  return outputs;
}

function describe(inputs: readonly (OnnxValue | undefined)[]): string {
  const shapes = inputs.map((input) => (input === undefined ? "none" : `[${input.shape.join(", ")}]`));
  return shapes.length === 0 ? "no inputs" : `inputs of shapes ${shapes.join(", ")}`;
}
