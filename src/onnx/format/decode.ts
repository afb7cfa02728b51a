/** Reads the messages of an ONNX file, by their field numbers in onnx.proto. */
import { decodeSparseTensor, decodeTensor, type TensorSource } from "./decode_tensor.js";
import { typeWithNumber, type OnnxType } from "./element_types.js";
import type {
  OnnxAttribute,
  OnnxAttributeValues,
  OnnxDimension,
  OnnxFunction,
  OnnxGraph,
  OnnxInteger,
  OnnxModel,
  OnnxNode,
  OnnxValueInfo,
  OnnxValueType,
} from "./model.js";
import { WireReader } from "./wire.js";

/**
 * A model from the bytes of a file. Arrays are views of `bytes` where alignment allows.
 *
 * @throws OnnxError `ERR_ONNX_DAMAGED` where the bytes are not a whole and consistent model
 */
export function decodeModel(bytes: Uint8Array, tensors: TensorSource): OnnxModel {
  // Of a Buffer, `slice` would be a view.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const reader = new WireReader(plain, tensors.source);
  const model: OnnxModel = {
    irVersion: 0,
    opsetImports: new Map(),
    producerName: "",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    graph: emptyGraph(),
    metadata: {},
    functions: [],
  };
  let hasGraph = false;
  reader.fields((field) => {
    if (field === 1) model.irVersion = reader.smallInteger();
    else if (field === 2) model.producerName = reader.string();
    else if (field === 3) model.producerVersion = reader.string();
    else if (field === 4) model.domain = reader.string();
    else if (field === 5) model.modelVersion = reader.integer();
    else if (field === 6) model.docString = reader.string();
    else if (field === 7) {
      model.graph = reader.message(() => decodeGraph(reader, tensors));
      hasGraph = true;
    } else if (field === 8) decodeOpset(reader, model.opsetImports);
    else if (field === 14) decodeEntry(reader, model.metadata);
    else if (field === 25) {
      model.functions.push(reader.message(() => decodeFunction(reader, tensors)));
    }
  });
  if (!hasGraph) throw reader.damaged("there is no graph in it");
  return model;
}

function emptyGraph(): OnnxGraph {
  return {
    name: "",
    docString: "",
    nodes: [],
    inputs: [],
    outputs: [],
    valueInfo: [],
    initializers: new Map(),
    sparseInitializers: new Map(),
    metadata: {},
  };
}

function decodeGraph(reader: WireReader, tensors: TensorSource): OnnxGraph {
  const graph = emptyGraph();
  const names = new Set<string>();
  const checkName = (name: string) => {
    if (names.has(name)) throw reader.damaged(`two initializers are called ${JSON.stringify(name)}`);
    names.add(name);
  };
  reader.fields((field) => {
    if (field === 1) graph.nodes.push(reader.message(() => decodeNode(reader, tensors)));
    else if (field === 2) graph.name = reader.string();
    else if (field === 5) {
      const tensor = reader.message(() => decodeTensor(reader, tensors));
      checkName(tensor.name);
      graph.initializers.set(tensor.name, tensor);
    } else if (field === 10) graph.docString = reader.string();
    else if (field === 11) graph.inputs.push(decodeValueInfo(reader));
    else if (field === 12) graph.outputs.push(decodeValueInfo(reader));
    else if (field === 13) graph.valueInfo.push(decodeValueInfo(reader));
    else if (field === 15) {
      const tensor = reader.message(() => decodeSparseTensor(reader, tensors));
      checkName(tensor.values.name);
      graph.sparseInitializers.set(tensor.values.name, tensor);
    } else if (field === 16) decodeEntry(reader, graph.metadata);
  });
  return graph;
}

function decodeNode(reader: WireReader, tensors: TensorSource): OnnxNode {
  const node: OnnxNode = {
    name: "",
    operator: "",
    domain: "",
    overload: "",
    inputs: [],
    outputs: [],
    attributes: new Map(),
    docString: "",
    metadata: {},
  };
  reader.fields((field) => {
    if (field === 1) node.inputs.push(reader.string());
    else if (field === 2) node.outputs.push(reader.string());
    else if (field === 3) node.name = reader.string();
    else if (field === 4) node.operator = reader.string();
    else if (field === 5) decodeAttribute(reader, tensors, node.attributes);
    else if (field === 6) node.docString = reader.string();
    else if (field === 7) node.domain = standardDomain(reader.string());
    else if (field === 8) node.overload = reader.string();
    else if (field === 9) decodeEntry(reader, node.metadata);
  });
  return node;
}

function decodeFunction(reader: WireReader, tensors: TensorSource): OnnxFunction {
  const result: OnnxFunction = {
    name: "",
    domain: "",
    overload: "",
    inputs: [],
    outputs: [],
    attributes: [],
    attributeDefaults: new Map(),
    nodes: [],
    opsetImports: new Map(),
    docString: "",
    metadata: {},
  };
  reader.fields((field) => {
    if (field === 1) result.name = reader.string();
    else if (field === 4) result.inputs.push(reader.string());
    else if (field === 5) result.outputs.push(reader.string());
    else if (field === 6) result.attributes.push(reader.string());
    else if (field === 7) result.nodes.push(reader.message(() => decodeNode(reader, tensors)));
    else if (field === 8) result.docString = reader.string();
    else if (field === 9) decodeOpset(reader, result.opsetImports);
    else if (field === 10) result.domain = standardDomain(reader.string());
    else if (field === 11) decodeAttribute(reader, tensors, result.attributeDefaults);
    else if (field === 13) result.overload = reader.string();
    else if (field === 14) decodeEntry(reader, result.metadata);
  });
  return result;
}

/** The kinds of attributes in the order of their numbers, from 1 on. */
export const ATTRIBUTE_KINDS = [
  "float",
  "int",
  "string",
  "tensor",
  "graph",
  "floats",
  "ints",
  "strings",
  "tensors",
  "graphs",
  "sparseTensor",
  "sparseTensors",
  "type",
  "types",
] as const satisfies readonly (keyof OnnxAttributeValues)[];

function decodeAttribute(reader: WireReader, tensors: TensorSource, into: Map<string, OnnxAttribute>): void {
  let name = "";
  let reference = "";
  let number = 0;
  const values: Partial<OnnxAttributeValues> = {};
  const lists = {
    floats: [] as number[],
    ints: [] as OnnxInteger[],
    strings: [] as string[],
    tensors: [] as OnnxAttributeValues["tensors"],
    graphs: [] as OnnxGraph[],
    sparseTensors: [] as OnnxAttributeValues["sparseTensors"],
    types: [] as OnnxValueType[],
  };
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) name = reader.string();
      else if (field === 2) values.float = reader.float();
      else if (field === 3) values.int = reader.integer();
      else if (field === 4) values.string = reader.string();
      else if (field === 5) values.tensor = reader.message(() => decodeTensor(reader, tensors));
      else if (field === 6) values.graph = reader.message(() => decodeGraph(reader, tensors));
      else if (field === 7) reader.floats(lists.floats);
      else if (field === 8) reader.integers(lists.ints);
      else if (field === 9) lists.strings.push(reader.string());
      else if (field === 10) lists.tensors.push(reader.message(() => decodeTensor(reader, tensors)));
      else if (field === 11) lists.graphs.push(reader.message(() => decodeGraph(reader, tensors)));
      else if (field === 14) values.type = reader.message(() => decodeType(reader));
      else if (field === 15) lists.types.push(reader.message(() => decodeType(reader)));
      else if (field === 20) number = reader.smallInteger();
      else if (field === 21) reference = reader.string();
      else if (field === 22) {
        values.sparseTensor = reader.message(() => decodeSparseTensor(reader, tensors));
      } else if (field === 23) {
        lists.sparseTensors.push(reader.message(() => decodeSparseTensor(reader, tensors)));
      }
    }),
  );
  const kind = number === 0 ? kindOf(values, lists) : ATTRIBUTE_KINDS[number - 1];
  if (kind === undefined) throw reader.damaged(`the attribute ${JSON.stringify(name)} has no type`);
  if (into.has(name)) throw reader.damaged(`a node has two attributes called ${JSON.stringify(name)}`);
  const value = { float: 0, int: 0, string: "", ...lists, ...values }[kind];
  if (value === undefined && reference === "") {
    throw reader.damaged(`the attribute ${JSON.stringify(name)} has no value`);
  }
  const attribute = { kind, value, ...(reference !== "" && { reference }) };
  into.set(name, attribute as OnnxAttribute);
}

/** The first versions of the format did not write types: what has a value tells. */
function kindOf(
  values: Partial<OnnxAttributeValues>,
  lists: Readonly<Record<string, readonly unknown[]>>,
): keyof OnnxAttributeValues | undefined {
  const single = Object.keys(values)[0];
  return (single ?? Object.keys(lists).find((kind) => lists[kind]!.length > 0)) as
    keyof OnnxAttributeValues | undefined;
}

function decodeValueInfo(reader: WireReader): OnnxValueInfo {
  const info: OnnxValueInfo = { name: "", type: { kind: "unknown" }, docString: "" };
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) info.name = reader.string();
      else if (field === 2) info.type = reader.message(() => decodeType(reader));
      else if (field === 3) info.docString = reader.string();
    }),
  );
  return info;
}

function decodeType(reader: WireReader): OnnxValueType {
  let result: OnnxValueType = { kind: "unknown" };
  reader.fields((field) => {
    if (field === 1) result = reader.message(() => decodeTensorType(reader, "tensor"));
    else if (field === 8) result = reader.message(() => decodeTensorType(reader, "sparseTensor"));
    else if (field === 4) result = { kind: "sequence", element: decodeElement(reader) };
    else if (field === 9) result = { kind: "optional", element: decodeElement(reader) };
    else if (field === 5) result = reader.message(() => decodeMapType(reader));
  });
  return result;
}

function decodeElement(reader: WireReader): OnnxValueType | undefined {
  let element: OnnxValueType | undefined;
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) element = reader.message(() => decodeType(reader));
    }),
  );
  return element;
}

function decodeMapType(reader: WireReader): OnnxValueType {
  let key: OnnxType | undefined;
  let value: OnnxValueType | undefined;
  reader.fields((field) => {
    if (field === 1) key = typeWithNumber(reader.smallInteger());
    else if (field === 2) value = reader.message(() => decodeType(reader));
  });
  return key === undefined ? { kind: "unknown" } : { kind: "map", key, value };
}

function decodeTensorType(reader: WireReader, kind: "tensor" | "sparseTensor"): OnnxValueType {
  let type: OnnxType | undefined;
  let shape: OnnxDimension[] | undefined;
  reader.fields((field) => {
    if (field === 1) type = typeWithNumber(reader.smallInteger());
    else if (field === 2) {
      const dimensions: OnnxDimension[] = [];
      reader.message(() =>
        reader.fields((inner) => {
          if (inner === 1) dimensions.push(reader.message(() => decodeDimension(reader)));
        }),
      );
      shape = dimensions;
    }
  });
  return type === undefined ? { kind: "unknown" } : { kind, type, shape };
}

/** Exporters write -1 and the empty name for what they do not know. */
function decodeDimension(reader: WireReader): OnnxDimension {
  let dimension: OnnxDimension;
  reader.fields((field) => {
    if (field === 1) dimension = reader.smallInteger();
    else if (field === 2) dimension = reader.string();
  });
  if (typeof dimension === "number") return dimension >= 0 ? dimension : undefined;
  return dimension === "" ? undefined : dimension;
}

function decodeOpset(reader: WireReader, into: Map<string, number>): void {
  let domain = "";
  let version = 0;
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) domain = standardDomain(reader.string());
      else if (field === 2) version = reader.smallInteger();
    }),
  );
  into.set(domain, version);
}

function decodeEntry(reader: WireReader, into: Record<string, string>): void {
  let key = "";
  let value = "";
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) key = reader.string();
      else if (field === 2) value = reader.string();
    }),
  );
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

/** "ai.onnx" is another name of the standard's domain. */
function standardDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}
