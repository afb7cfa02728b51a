/** An ONNX model as plain objects: the messages of onnx.proto (https://onnx.ai/onnx/repo-docs/IR.html). */
import type { OnnxArray, OnnxType } from "./element_types.js";

/** A number where it is exact, a bigint beyond 2⁵³. */
export type OnnxInteger = number | bigint;

/** What an ONNX file holds. */
export interface OnnxModel {
  /** The version of the format, 3 to 13. */
  irVersion: number;
  /** The version of each domain's operators; the standard's domain is "". */
  opsetImports: Map<string, number>;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: OnnxInteger;
  docString: string;
  graph: OnnxGraph;
  /** Free text by name. */
  metadata: Record<string, string>;
  /** Functions that nodes may call as if they were operators. */
  functions: OnnxFunction[];
}

/** A graph: the model's own, or one in an attribute of `If`, `Loop` or `Scan`. */
export interface OnnxGraph {
  name: string;
  docString: string;
  nodes: OnnxNode[];
  inputs: OnnxValueInfo[];
  outputs: OnnxValueInfo[];
  /** What is known of other tensors. */
  valueInfo: OnnxValueInfo[];
  initializers: Map<string, OnnxTensor>;
  sparseInitializers: Map<string, OnnxSparseTensor>;
  metadata: Record<string, string>;
}

/** One application of an operator. */
export interface OnnxNode {
  name: string;
  /** As `Conv`. */
  operator: string;
  /** "" for the standard's own operators. */
  domain: string;
  /** Which of several functions of one name. */
  overload: string;
  /** Names of tensors; "" for one that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: Map<string, OnnxAttribute>;
  docString: string;
  metadata: Record<string, string>;
}

/** A function of the model: a graph without types, whose nodes may refer to attributes of the call. */
export interface OnnxFunction {
  name: string;
  domain: string;
  overload: string;
  inputs: string[];
  outputs: string[];
  /** Names of attributes without defaults. */
  attributes: string[];
  /** Attributes with defaults. */
  attributeDefaults: Map<string, OnnxAttribute>;
  nodes: OnnxNode[];
  opsetImports: Map<string, number>;
  docString: string;
  metadata: Record<string, string>;
}

/** The kinds of attributes with what each holds. */
export interface OnnxAttributeValues {
  float: number;
  int: OnnxInteger;
  string: string;
  tensor: OnnxTensor;
  graph: OnnxGraph;
  sparseTensor: OnnxSparseTensor;
  type: OnnxValueType;
  floats: number[];
  ints: OnnxInteger[];
  strings: string[];
  tensors: OnnxTensor[];
  graphs: OnnxGraph[];
  sparseTensors: OnnxSparseTensor[];
  types: OnnxValueType[];
}

/** A setting of a node. */
export type OnnxAttribute = {
  [Kind in keyof OnnxAttributeValues]: {
    kind: Kind;
    value: OnnxAttributeValues[Kind];
    /** In a function: the attribute of the call whose value this one has. */
    reference?: string;
  };
}[keyof OnnxAttributeValues];

/** A dense array in row-major order. */
export interface OnnxTensor {
  name: string;
  type: OnnxType;
  shape: number[];
  /** A view of the file where its alignment allows. Types of four bits are packed, the first of two in the low bits. */
  data: OnnxArray;
  docString: string;
}

/** The values that are not zero, and where they are. */
export interface OnnxSparseTensor {
  /** [count]; its name is the tensor's. */
  values: OnnxTensor;
  /** int64 [count], places in the flattened tensor, or [count, rank]. */
  indices: OnnxTensor;
  /** Of the whole tensor. */
  shape: number[];
}

/** A length, the name of one that may vary, or undefined where nothing is known of it. */
export type OnnxDimension = number | string | undefined;

/** The type of an input, output or inner value. */
export type OnnxValueType =
  | { kind: "tensor" | "sparseTensor"; type: OnnxType; shape: OnnxDimension[] | undefined }
  | { kind: "sequence" | "optional"; element: OnnxValueType | undefined }
  | { kind: "map"; key: OnnxType; value: OnnxValueType | undefined }
  | { kind: "unknown" };

/** The name and type of a value. */
export interface OnnxValueInfo {
  name: string;
  type: OnnxValueType;
  docString: string;
}
