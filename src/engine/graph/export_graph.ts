/** A recorded graph as an ONNX model to keep: with names that mean something, and its arrays inside. */
import { EngineError } from "../../errors.js";
import { makePlan, modelOf } from "./plan.js";
import { encodeModel, type NamedValue } from "./onnx_model.js";
import { emit, type Value } from "./value.js";

/** What protocol buffers can hold in one message. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * @param inputs values without arrays
 * @param outputs what is computed from them
 * @param weights arrays that keep their names; others are numbered
 * @throws EngineError `ERR_ONNX_EXPORT` for a model of more than 2 GiB
 */
export function exportGraph(
  inputs: readonly NamedValue[],
  outputs: readonly NamedValue[],
  weights: readonly NamedValue[],
): Uint8Array {
  // Each output is a value of its own, even where it is an input, a weight or another output.
  const roots = outputs.map(({ value }) => emit("Identity", [value], value.shape, value.type));
  const plan = makePlan(roots);
  const names = new Map<string, string>();
  const rename = (value: Value, name: string) => {
    const planned = plan.names.get(value);
    if (planned !== undefined) names.set(planned, name);
  };
  for (const { name, value } of [...weights, ...inputs]) rename(value, name);
  outputs.forEach(({ name }, i) => rename(roots[i]!, name));
  const nameOf = (planned: string) => names.get(planned) ?? planned;
  const given = new Set(inputs.map(({ value }) => value));
  const model = modelOf(plan, roots, []);
  const arrays = plan.feeds
    .filter((feed) => !given.has(feed))
    .map((value) => ({ name: nameOf(plan.names.get(value)!), value }));
  checkSize(arrays);
  return encodeModel(
    model.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(nameOf),
      outputs: node.outputs.map(nameOf),
    })),
    inputs,
    model.outputs.map(({ name, value }) => ({ name: nameOf(name), value })),
    [...model.constants, ...arrays],
  );
}

function checkSize(arrays: readonly NamedValue[]): void {
  const bytes = arrays.reduce((sum, { value }) => sum + value.array!.byteLength, 0);
  if (bytes < MAX_MODEL_BYTES) return;
  throw new EngineError(
    "ERR_ONNX_EXPORT",
    `The weights take ${bytes} bytes, and an ONNX file without external data holds less than 2 GiB.`,
  );
}
