/**
 * Writes nodes in a later version of ONNX's operators: what has changed in a way that changes what an old node means
 * (https://github.com/onnx/onnx/blob/main/docs/Changelog.md). Everything else is the same in both.
 */
import type { OnnxAttribute, OnnxNode } from "../format/model.js";
import { makeNode } from "./export_graph.js";

/** What upgrading needs of the graph. */
export interface UpgradeContext {
  /** Adds a known array of whole numbers, or a number. Returns its name. */
  constant: (values: readonly number[], type: "int64" | "float32") => string;
  /** A name that nothing has yet. */
  newName: (name: string) => string;
  isUsed: (name: string) => boolean;
}

type Change = (node: OnnxNode, context: UpgradeContext) => OnnxNode[] | undefined;

/** Before this version operators meant other things in more ways than are known here. */
const OLDEST = 7;

const REDUCTIONS = ["Mean", "Max", "Min", "Prod", "LogSum", "LogSumExp", "SumSquare", "L1", "L2"].map(
  (name) => `Reduce${name}`,
);

const axesToInput: Change = attributeToInput("axes", 1);

/** By operator: the version from which on it means something else, and how an older node is to be written. */
const CHANGES: Readonly<Record<string, readonly (readonly [version: number, change: Change])[]>> = {
  ...Object.fromEntries(REDUCTIONS.map((name) => [name, [[18, axesToInput]]])),
  ReduceSum: [[13, axesToInput]],
  Squeeze: [[13, axesToInput]],
  Unsqueeze: [[13, axesToInput]],
  Split: [
    [13, attributeToInput("split", 1)],
    [18, countOutputs],
  ],
  Softmax: [[13, ofFlattened]],
  LogSoftmax: [[13, ofFlattened]],
  Hardmax: [[13, ofFlattened]],
  Clip: [
    [11, (node, context) => numberToInput("min", 1)(node, context) && numberToInput("max", 2)(node, context)],
  ],
  Pad: [
    [
      11,
      (node, context) =>
        attributeToInput("pads", 1)(node, context) && numberToInput("value", 2)(node, context),
    ],
  ],
  Slice: [
    [
      10,
      (node, context) => {
        for (const [name, position] of [
          ["starts", 1],
          ["ends", 2],
          ["axes", 3],
        ] as const) {
          attributeToInput(name, position)(node, context);
        }
        return [node];
      },
    ],
  ],
  TopK: [[10, (node, context) => countToInput(node, context)]],
  Upsample: [[10, (node, context) => asResize(node, context)]],
  Resize: [[11, (node, context) => asResize(node, context)]],
  Scatter: [[11, (node) => [{ ...node, operator: "ScatterElements" }]]],
  BatchNormalization: [
    [9, (node) => (intAttribute(node, "spatial") === 0 ? undefined : without(node, "spatial"))],
    [14, (node) => (node.outputs.length > 1 ? undefined : [node])],
  ],
  GridSample: [[20, () => undefined]],
  DFT: [[20, () => undefined]],
  GroupNormalization: [[21, () => undefined]],
};

/**
 * @returns the nodes that stand for it; undefined where that is not known here
 */
export function upgradeNode(
  node: OnnxNode,
  from: number,
  to: number,
  context: UpgradeContext,
): OnnxNode[] | undefined {
  if (node.domain !== "") return [node];
  if (from < OLDEST) return undefined;
  if (node.operator === "Dropout") {
    const [output, mask = ""] = node.outputs;
    if (mask !== "" && context.isUsed(mask)) return undefined;
    return [makeNode("Identity", [node.inputs[0]!], [output!], {}, node.name)];
  }
  let nodes = [{ ...node, inputs: [...node.inputs], attributes: new Map(node.attributes) }];
  for (const [version, change] of CHANGES[node.operator] ?? []) {
    if (from >= version || to < version) continue;
    const last = nodes.pop()!;
    const changed = change(last, context);
    if (changed === undefined) return undefined;
    nodes = [...nodes, ...changed];
  }
  return nodes;
}

/** A list that has become an input. */
function attributeToInput(name: string, position: number): Change {
  return (node, context) => {
    const attribute = node.attributes.get(name);
    node.attributes.delete(name);
    if (attribute?.kind === "ints")
      setInput(node, position, context.constant(attribute.value.map(Number), "int64"));
    return [node];
  };
}

/** A number that has become an input. */
function numberToInput(name: string, position: number): Change {
  return (node, context) => {
    const attribute = node.attributes.get(name);
    node.attributes.delete(name);
    if (attribute?.kind === "float") setInput(node, position, context.constant([attribute.value], "float32"));
    return [node];
  };
}

function countToInput(node: OnnxNode, context: UpgradeContext): OnnxNode[] {
  const count = intAttribute(node, "k");
  node.attributes.delete("k");
  if (count !== undefined) node.inputs[1] = context.constant([count], "int64");
  return [node];
}

function countOutputs(node: OnnxNode): OnnxNode[] {
  if (node.inputs.length < 2) node.attributes.set("num_outputs", { kind: "int", value: node.outputs.length });
  return [node];
}

/** Until version 12, over all axes from one on. */
function ofFlattened(node: OnnxNode, { newName }: UpgradeContext): OnnxNode[] {
  const axis = intAttribute(node, "axis") ?? 1;
  if (axis === -1) return [node];
  const [input, output] = [node.inputs[0]!, node.outputs[0]!];
  const [matrix, rows, shape] = ["matrix", "rows", "shape"].map((part) => newName(`${output}_${part}`)) as [
    string,
    string,
    string,
  ];
  return [
    makeNode("Flatten", [input], [matrix], { axis }),
    makeNode(node.operator, [matrix], [rows], { axis: -1 }, node.name),
    makeNode("Shape", [input], [shape]),
    makeNode("Reshape", [rows, shape], [output]),
  ];
}

/** The old operators stretch the distance of elements from the first one. */
function asResize(node: OnnxNode, context: UpgradeContext): OnnxNode[] {
  const mode = node.attributes.get("mode");
  const scales = node.attributes.get("scales");
  const scale = scales?.kind === "floats" ? context.constant(scales.value, "float32") : node.inputs[1]!;
  const resize = makeNode(
    "Resize",
    [node.inputs[0]!, "", scale],
    node.outputs,
    { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    node.name,
  );
  const name = mode?.kind === "string" ? mode.value : "nearest";
  resize.attributes.set("mode", { kind: "string", value: name === "bilinear" ? "linear" : name });
  return [resize];
}

function setInput(node: OnnxNode, position: number, name: string): void {
  while (node.inputs.length < position) node.inputs.push("");
  node.inputs[position] = name;
}

function intAttribute(node: OnnxNode, name: string): number | undefined {
  const attribute: OnnxAttribute | undefined = node.attributes.get(name);
  return attribute?.kind === "int" ? Number(attribute.value) : undefined;
}

function without(node: OnnxNode, name: string): OnnxNode[] {
  node.attributes.delete(name);
  return [node];
}
