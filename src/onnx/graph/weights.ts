/** Which of a model's constants are weights. */
import { isFloatType, sizeOf } from "../format/element_types.js";
import { numbersOf } from "../format/numbers.js";
import { operatorKey } from "../operators/context.js";
import { STATISTICS_POSITIONS, WEIGHT_POSITIONS } from "../weight_positions.js";
import type { FlatConstant, FlatModel, FlatNode } from "./flatten.js";

/** What a constant is to the module. */
export type ConstantUse = "parameter" | "buffer" | "constant";

interface Use {
  node: FlatNode;
  position: number;
}

/** Operators that pass elements on as they are: what their output is used for, their first input is. */
const VIEWS = new Set([
  "Identity",
  "Transpose",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Slice",
  "Split",
  "Cast",
  "Expand",
  "Tile",
]);

/** Operators that combine any of their inputs with what follows from data, as a bias or a scale. */
const COMBINATIONS = new Set(["Add", "Sub", "Mul", "Div", "Sum", "Concat"]);

/** Inputs that are settings, whatever computes them. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Resize: [1, 2],
  Upsample: [1],
  Pad: [2],
  Clip: [1, 2],
};

/** Numbers that exclude, in masks that are added to scores. */
const MASK = 1e4;

/**
 * A constant of floats is a weight where an operator takes it as one (`WEIGHT_POSITIONS`), also through operators that have
 * only constants as inputs, such as the `Transpose` of a matrix or what normalises a weight. Combined with data by an
 * addition, multiplication or concatenation, it is a weight if it is an initializer of more than one element without
 * numbers of 10⁴ and more, which masks have. Literals in `Constant` nodes are weights of matrix products and convolutions
 * only.
 */
export function usesOfConstants({ graph, constants, subgraphs }: FlatModel): Map<string, ConstantUse> {
  const nodes = [...graph.nodes, ...[...subgraphs.values()].flatMap((subgraph) => subgraph.nodes)];
  const uses = new Map<string, Use[]>();
  for (const node of nodes) {
    node.inputs.forEach((name, position) => {
      const list = uses.get(name);
      if (list === undefined) uses.set(name, [{ node, position }]);
      else list.push({ node, position });
    });
  }
  const fixed = fixedNodes(nodes, constants);
  const result = new Map<string, ConstantUse>();
  for (const [name, constant] of constants) {
    result.set(name, isFloatType(constant.tensor.type) ? useOf(name, constant, uses, fixed) : "constant");
  }
  return result;
}

/** Nodes that have constants as inputs and nothing else. */
function fixedNodes(nodes: readonly FlatNode[], constants: ReadonlyMap<string, FlatConstant>): Set<FlatNode> {
  const known = new Set(constants.keys());
  const fixed = new Set<FlatNode>();
  for (const node of nodes) {
    if (node.inputs.length === 0 || !node.inputs.every((name) => name === "" || known.has(name))) continue;
    fixed.add(node);
    for (const output of node.outputs) known.add(output);
  }
  return fixed;
}

function useOf(
  name: string,
  { tensor, isLiteral }: FlatConstant,
  uses: ReadonlyMap<string, readonly Use[]>,
  fixed: ReadonlySet<FlatNode>,
): ConstantUse {
  let canCombine: boolean | undefined;
  const mayCombine = () =>
    (canCombine ??=
      !isLiteral &&
      sizeOf(tensor.shape) > 1 &&
      Array.from(numbersOf(tensor)).every((x) => Math.abs(x) < MASK));
  const seen = new Set<string>();
  const isWeight = (value: string): boolean => {
    if (seen.has(value)) return false;
    seen.add(value);
    return (uses.get(value) ?? []).some(({ node, position }) => {
      const key = operatorKey(node);
      if (WEIGHT_POSITIONS[key]?.includes(position)) return true;
      if (VIEWS.has(key) && position === 0) {
        return node.outputs.some(isWeight);
      }
      if (fixed.has(node)) return mayCombine() && node.outputs.some(isWeight);
      return COMBINATIONS.has(key) && mayCombine() && !isSetting(node.outputs[0]!, uses);
    });
  };
  if (isWeight(name)) return "parameter";
  const isStatistic = uses
    .get(name)
    ?.some(({ node, position }) => STATISTICS_POSITIONS[operatorKey(node)]?.includes(position));
  return isStatistic === true ? "buffer" : "constant";
}

function isSetting(value: string, uses: ReadonlyMap<string, readonly Use[]>): boolean {
  const list = uses.get(value) ?? [];
  return (
    list.length > 0 && list.every(({ node, position }) => SETTINGS[operatorKey(node)]?.includes(position))
  );
}
