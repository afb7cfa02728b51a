/** Which of a model's constants are weights. */
import { isFloatType, sizeOf } from "../format/element_types.js";
import { numbersOf } from "../format/numbers.js";
import { operatorKey } from "../operators/context.js";
import { STATISTICS_POSITIONS, WEIGHT_POSITIONS } from "../weight_positions.js";
import type { FlatConstant, FlatModel, FlatNode } from "./flatten.js";
import { allNodes } from "./nodes.js";

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
export function usesOfConstants(model: FlatModel): Map<string, ConstantUse> {
  const nodes = allNodes(model);
  const uses = new Map<string, Use[]>();
  for (const node of nodes) {
    node.inputs.forEach((name, position) => {
      const list = uses.get(name);
      if (list === undefined) uses.set(name, [{ node, position }]);
      else list.push({ node, position });
    });
  }
  const fixed = fixedNodes(nodes, [...model.constants.keys(), ...model.computed.keys()]);
  return new Map(
    Array.from(model.constants, ([name, constant]) => [name, useOf(name, constant, uses, fixed)]),
  );
}

/** Nodes that have constants as inputs and nothing else. */
function fixedNodes(nodes: readonly FlatNode[], constants: readonly string[]): Set<FlatNode> {
  const known = new Set(["", ...constants]);
  const fixed = new Set<FlatNode>();
  for (const node of nodes) {
    if (node.inputs.length === 0 || !node.inputs.every((name) => known.has(name))) continue;
    fixed.add(node);
    for (const output of node.outputs) known.add(output);
  }
  return fixed;
}

function useOf(
  name: string,
  { tensor, origin }: FlatConstant,
  uses: ReadonlyMap<string, readonly Use[]>,
  fixed: ReadonlySet<FlatNode>,
): ConstantUse {
  if (!isFloatType(tensor.type)) return "constant";
  let canCombine: boolean | undefined;
  const mayCombine = () =>
    (canCombine ??= origin === "initializer" && sizeOf(tensor.shape) > 1 && isBelow(numbersOf(tensor), MASK));
  const values = new Set([name]);
  for (const value of values) {
    for (const { node, position } of uses.get(value) ?? []) {
      const key = operatorKey(node);
      if (WEIGHT_POSITIONS[key]?.includes(position)) return "parameter";
      const passesOn = (VIEWS.has(key) && position === 0) || (fixed.has(node) && mayCombine());
      if (passesOn) for (const output of node.outputs) values.add(output);
      else if (!fixed.has(node) && COMBINATIONS.has(key) && mayCombine() && !isSetting(node, uses)) {
        return "parameter";
      }
    }
  }
  const isStatistic = ({ node, position }: Use) =>
    STATISTICS_POSITIONS[operatorKey(node)]?.includes(position) === true;
  return uses.get(name)?.some(isStatistic) ? "buffer" : "constant";
}

function isBelow(numbers: ArrayLike<number>, limit: number): boolean {
  for (let i = 0; i < numbers.length; i++) if (!(Math.abs(numbers[i]!) < limit)) return false;
  return true;
}

/** Whether all that a node gives is used as a setting. */
function isSetting({ outputs }: FlatNode, uses: ReadonlyMap<string, readonly Use[]>): boolean {
  const list = outputs.flatMap((output) => uses.get(output) ?? []);
  return (
    list.length > 0 && list.every(({ node, position }) => SETTINGS[operatorKey(node)]?.includes(position))
  );
}
