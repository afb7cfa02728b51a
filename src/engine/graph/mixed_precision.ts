/**
 * Mixed precision as PyTorch's autocast has it: matrix products and convolutions, forward and backward, take and give float16;
 * everything between them, weights and results stay float32. Casts are put around these operators when a graph is compiled.
 */
import type { Model } from "./frozen_graph.js";
import type { ModelNode } from "./onnx_model.js";
import { Value, type ValueType } from "./value.js";

const PRODUCTS = new Set(["MatMul", "Gemm", "com.microsoft:FusedMatMul", "Conv", "ConvTranspose"]);
const CONVOLUTIONS = new Set(["Conv", "ConvTranspose"]);

/** ONNX's numbers of the types. */
const CODES = { float16: 10, float32: 1 };

/** The graph with its products in float16. */
export function inMixedPrecision(model: Model): Model {
  const shapes = new Map([...model.inputs, ...model.constants].map(({ name, value }) => [name, value.shape]));
  // Shapes that are fed are the only inputs of int64.
  const shapesFed = model.inputs.filter(({ value }) => value.type === "int64");
  const fixed = new Set([...model.constants, ...shapesFed].map(({ name }) => name));
  /** The float16 names of values by their own. */
  const halves = new Map<string, string>();
  const nodes: ModelNode[] = [];
  const cast = (from: string, to: string, shape: readonly number[], type: keyof typeof CODES): void => {
    const outputValues = [new Value(shape, type satisfies ValueType)];
    nodes.push({
      operator: "Cast",
      inputs: [from],
      outputs: [to],
      outputValues,
      attributes: { to: CODES[type] },
    });
  };
  const half = (name: string): string => {
    let known = halves.get(name);
    if (known === undefined) {
      halves.set(name, (known = `${name}_half`));
      cast(name, known, shapes.get(name)!, "float16");
    }
    return known;
  };
  for (const node of model.nodes) {
    node.outputs.forEach((name, i) => shapes.set(name, node.outputValues[i]!.shape));
    if (node.inputs.every((name) => fixed.has(name))) for (const name of node.outputs) fixed.add(name);
    if (!isProduct(node, fixed)) {
      nodes.push(node);
      continue;
    }
    const [name, { shape }] = [node.outputs[0]!, node.outputValues[0]!];
    const inputs = node.inputs.map(half);
    halves.set(name, `${name}_half`);
    nodes.push({
      ...node,
      inputs,
      outputs: [`${name}_half`],
      outputValues: [new Value(shape, "float16")],
    });
    cast(`${name}_half`, name, shape, "float32");
  }
  return { ...model, nodes };
}

/**
 * Whether a node is a product of two arrays that vary. One with a constant, or whose result has a single column, is a sum or
 * a mean that is computed as a product because that is fast: as all reductions it stays float32.
 */
function isProduct({ operator, inputs, outputValues }: ModelNode, fixed: ReadonlySet<string>): boolean {
  const [{ shape, type }] = outputValues as [Value];
  if (!PRODUCTS.has(operator) || type !== "float32") return false;
  if (fixed.has(inputs[0]!) || fixed.has(inputs[1]!)) return false;
  return CONVOLUTIONS.has(operator) || shape.at(-1) !== 1;
}
