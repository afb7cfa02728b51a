/** What an operator gets beside its inputs: the node's attributes and versions, and where the module stands. */
import { OnnxError } from "../../errors.js";
import { HostValue, type OnnxValue } from "../values.js";
import type { OnnxAttribute, OnnxAttributeValues, OnnxGraph, OnnxNode } from "../format/model.js";

/** Whether a node is in a layer that trains, and what the module was imported with. */
export interface LayerMode {
  /** As in `Module`: whether dropout drops and batch norm uses the batch's statistics. */
  readonly training: boolean;
  /** For batch norms: whether they use and move the batch's statistics now. Default: as `training`. */
  readonly usesBatchStatistics?: boolean;
  /** For batch norms: the share of the batch's statistics in the running ones. Default: 1 less the node's attribute. */
  readonly momentum?: number;
  /** The probability that `Dropout` uses in training in place of the model's own. */
  readonly dropout?: number | undefined;
}

/** Nodes that are in no layer. */
export const EVALUATION: LayerMode = { training: false };

/** Runs a graph in an attribute; values of the graphs around it are seen from there. */
export type RunSubgraph = (graph: OnnxGraph, inputs: readonly OnnxValue[]) => OnnxValue[];

/** What an operator sees of its node. */
export class OperatorContext {
  readonly node: OnnxNode;
  /** The version of the operators of the node's domain. */
  readonly opset: number;
  readonly #mode: LayerMode;
  readonly #run: RunSubgraph;
  readonly #tensors = new Map<string, HostValue>();

  constructor(node: OnnxNode, opset: number, mode: LayerMode, run: RunSubgraph) {
    this.node = node;
    this.opset = opset;
    this.#mode = mode;
    this.#run = run;
  }

  /** Whether dropout drops now. */
  get training(): boolean {
    return this.#mode.training;
  }

  /** Whether batch norm uses and moves the batch's statistics now. */
  get usesBatchStatistics(): boolean {
    return this.#mode.usesBatchStatistics ?? this.#mode.training;
  }

  /** The share of the batch's statistics in the running ones of a batch norm. */
  get momentum(): number {
    return this.#mode.momentum ?? 1 - this.float("momentum", 0.9);
  }

  /** The probability that `Dropout` uses in training in place of the model's own, if the importer gave one. */
  get dropout(): number | undefined {
    return this.#mode.dropout;
  }

  /** How many outputs the node has, those left out at the end not counted. */
  get outputs(): number {
    return this.node.outputs.findLastIndex((name) => name !== "") + 1;
  }

  /** Whether the output at an index is used. */
  wants(output: number): boolean {
    return (this.node.outputs[output] ?? "") !== "";
  }

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  /** @throws OnnxError `ERR_ONNX_NODE` where it is missing and there is no default, or of another kind */
  int(name: string, fallback?: number): number {
    return Number(this.#read(name, "int", fallback));
  }

  float(name: string, fallback?: number): number {
    return this.#read(name, "float", fallback);
  }

  string(name: string, fallback?: string): string {
    return this.#read(name, "string", fallback);
  }

  ints(name: string, fallback?: readonly number[]): number[] {
    return this.#read(name, "ints", fallback as number[] | undefined).map(Number);
  }

  floats(name: string, fallback?: readonly number[]): number[] {
    return this.#read(name, "floats", fallback as number[] | undefined);
  }

  strings(name: string, fallback?: readonly string[]): string[] {
    return this.#read(name, "strings", fallback as string[] | undefined);
  }

  tensor(name: string, fallback?: HostValue): HostValue {
    if (fallback !== undefined && !this.has(name)) return fallback;
    let value = this.#tensors.get(name);
    if (value === undefined) {
      value = HostValue.fromOnnx(this.#read(name, "tensor", undefined));
      this.#tensors.set(name, value);
    }
    return value;
  }

  graph(name: string): OnnxGraph {
    return this.#read(name, "graph", undefined);
  }

  /** Runs a graph in an attribute of this node. */
  runSubgraph(graph: OnnxGraph, inputs: readonly OnnxValue[]): OnnxValue[] {
    return this.#run(graph, inputs);
  }

  /** Something about the node that the operator cannot do. */
  unsupported(problem: string): OnnxError {
    return new OnnxError("ERR_ONNX_OPERATOR", `${this.name} cannot be imported: ${problem}.`);
  }

  /** Something about the node that the standard does not allow. */
  invalid(problem: string): OnnxError {
    return new OnnxError("ERR_ONNX_NODE", `${this.name} is not valid: ${problem}. Export the model again.`);
  }

  /** The operator with the node's name, for messages. */
  get name(): string {
    return describeNode(this.node);
  }

  #read<Kind extends keyof OnnxAttributeValues>(
    name: string,
    kind: Kind,
    fallback: OnnxAttributeValues[Kind] | undefined,
  ): OnnxAttributeValues[Kind] {
    const attribute: OnnxAttribute | undefined = this.node.attributes.get(name);
    if (attribute?.kind === kind) return attribute.value as OnnxAttributeValues[Kind];
    if (attribute !== undefined) {
      throw this.invalid(`its attribute ${name} should be of type ${kind}, and is of type ${attribute.kind}`);
    }
    if (fallback !== undefined) return fallback;
    throw this.invalid(`its attribute ${name} is missing`);
  }
}

/** The name of a node's operator with its domain, if that is not the standard's, as the table of operators has it. */
export function operatorKey({ domain, operator }: Pick<OnnxNode, "domain" | "operator">): string {
  return domain === "" ? operator : `${domain}:${operator}`;
}

/** A node as errors call it: its operator, and its name or else its output. */
export function describeNode(node: OnnxNode): string {
  const place =
    node.name === "" ? `that gives ${JSON.stringify(node.outputs[0] ?? "")}` : JSON.stringify(node.name);
  return `The node ${operatorKey(node)} ${place}`;
}
