/** Small ONNX models, written down in few words. */
import type { OnnxArray, OnnxType } from "../../../src/onnx/format/element_types.js";
import type {
  OnnxAttribute,
  OnnxDimension,
  OnnxGraph,
  OnnxInteger,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
} from "../../../src/onnx/format/model.js";

type ShortAttribute = number | string | OnnxInteger[] | OnnxTensor | OnnxGraph | OnnxAttribute;

/** "Conv x, w -> y", with integers, texts, lists of integers, tensors and graphs as attributes. */
export function node(text: string, attributes: Record<string, ShortAttribute> = {}): OnnxNode {
  const [left, right = ""] = text.split("->");
  const [operator, ...rest] = left!.trim().split(" ");
  const names = (list: string) => (list.trim() === "" ? [] : list.split(",").map((name) => name.trim()));
  const [domain, type] = operator!.includes(":") ? operator!.split(":") : ["", operator];
  return {
    name: `${type}_of_${names(right)[0]}`,
    operator: type!,
    domain: domain,
    overload: "",
    inputs: names(rest.join(" ")),
    outputs: names(right),
    attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
    docString: "",
    metadata: {},
  };
}

function attributeOf(value: ShortAttribute): OnnxAttribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if (Array.isArray(value)) return { kind: "ints", value };
  if ("nodes" in value) return { kind: "graph", value };
  return "data" in value ? { kind: "tensor", value } : value;
}

export function float(value: number): OnnxAttribute {
  return { kind: "float", value };
}

export function tensor(type: OnnxType, shape: number[], data: OnnxArray, name = ""): OnnxTensor {
  return { name, type, shape, data, docString: "" };
}

export function floats(shape: number[], values: readonly number[]): OnnxTensor {
  return tensor("float32", shape, Float32Array.from(values));
}

export function ints(values: readonly number[], shape = [values.length]): OnnxTensor {
  return tensor("int64", shape, BigInt64Array.from(values, BigInt));
}

export function info(name: string, shape?: OnnxDimension[], type: OnnxType = "float32"): OnnxValueInfo {
  return { name, type: { kind: "tensor", type, shape }, docString: "" };
}

export interface GraphParts {
  inputs?: (string | OnnxValueInfo)[];
  outputs: (string | OnnxValueInfo)[];
  nodes: OnnxNode[];
  initializers?: Record<string, OnnxTensor>;
}

export function graph({ inputs = [], outputs, nodes, initializers = {} }: GraphParts): OnnxGraph {
  const describe = (value: string | OnnxValueInfo) => (typeof value === "string" ? info(value) : value);
  return {
    name: "graph",
    docString: "",
    nodes,
    inputs: inputs.map(describe),
    outputs: outputs.map(describe),
    valueInfo: [],
    initializers: new Map(
      Object.entries(initializers).map(([name, value]) => [name, { ...value, name }] as const),
    ),
    sparseInitializers: new Map(),
    metadata: {},
  };
}

export function model(parts: GraphParts, opset = 17): OnnxModel {
  return {
    irVersion: 8,
    opsetImports: new Map([["", opset]]),
    producerName: "test",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    graph: graph(parts),
    metadata: {},
    functions: [],
  };
}
