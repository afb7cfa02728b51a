/** Puts imported models' own nodes in the place of the calls that stand for them in a recorded graph. */
import type { OnnxNode } from "../format/model.js";
import { numberOfType, type OnnxType } from "../format/element_types.js";
import { freeName, makeNode, makeTensor, refuse, type ExportGraph } from "./export_graph.js";
import type { OwnGraph } from "./own_model.js";
import { upgradeNode, type UpgradeContext } from "./upgrade_node.js";

/** What a call of an imported model is recorded as, with the attribute `model`: its number. */
export const MODEL_CALL = "kindling:Model";

/** Whether all nodes can be written in a version of the standard's operators. */
export function canUpgrade(own: OwnGraph, opset: number): boolean {
  const used = new Set(own.nodes.flatMap((node) => node.inputs));
  const context: UpgradeContext = {
    constant: () => "",
    newName: (name) => name,
    isUsed: (name) => used.has(name),
  };
  const from = own.opsets.get("") ?? 1;
  return own.nodes.every((node) => upgradeNode(node, from, opset, context) !== undefined);
}

/** Changes the graph. Names within a model stay where they are free. @param models by their numbers */
export function inlineModels(graph: ExportGraph, models: readonly OwnGraph[]): void {
  const initializers = models.map(() => new Map<string, string>());
  const nodes = graph.nodes;
  graph.nodes = [];
  for (const { opsets } of models)
    for (const [domain, version] of opsets) {
      if (domain !== "") graph.domains.set(domain, version);
    }
  for (const node of nodes) {
    const number = node.domain === "kindling" ? node.attributes.get("model") : undefined;
    if (number?.kind !== "int") graph.nodes.push(node);
    else {
      const index = Number(number.value);
      inlineOne(graph, node, nodes, models[index]!, initializers[index]!);
    }
  }
}

/** @param initializers the names that the model's have in the graph, if it is called more than once */
function inlineOne(
  graph: ExportGraph,
  call: OnnxNode,
  callers: readonly OnnxNode[],
  own: OwnGraph,
  initializers: Map<string, string>,
): void {
  const names = new Map<string, string>([["", ""]]);
  const unknown = { type: "float32" as const, shape: [] };
  const take = (name: string): string => {
    const free = freeName(graph, name);
    graph.values.set(free, unknown);
    return free;
  };
  own.inputs.forEach(({ name, type }, i) => names.set(name, castInput(graph, call.inputs[i]!, type)));
  const casts: OnnxNode[] = [];
  own.outputs.forEach(({ name, type }, i) => {
    const recorded = call.outputs[i]!;
    const wanted = graph.values.get(recorded)!.type;
    const isCast = type === undefined ? wanted !== "float32" : type !== wanted;
    const isNamed = graph.outputs.includes(recorded);
    if (isNamed && !isCast && !names.has(name)) {
      names.set(name, recorded);
      return;
    }
    const taken = names.get(name) ?? take(name);
    names.set(name, taken);
    if (isCast) casts.push(makeNode("Cast", [taken], [recorded], { to: numberOfType(wanted) }));
    else if (isNamed) casts.push(makeNode("Identity", [taken], [recorded]));
    else replaceIn(callers, recorded, taken);
  });
  for (const [name, tensor] of own.initializers) {
    let taken = initializers.get(name);
    if (taken === undefined) {
      taken = take(name);
      initializers.set(name, taken);
      graph.initializers.set(taken, { ...tensor, name: taken });
      graph.values.set(taken, { type: tensor.type, shape: [...tensor.shape] });
    }
    names.set(name, taken);
  }
  const nameOf = (name: string): string => {
    let taken = names.get(name);
    if (taken === undefined) names.set(name, (taken = take(name)));
    return taken;
  };
  const used = new Set(own.nodes.flatMap((node) => node.inputs));
  const context: UpgradeContext = {
    constant: (values, type) => {
      const name = take("constant");
      const data = type === "int64" ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
      const shape = type === "int64" || values.length > 1 ? [values.length] : [];
      graph.initializers.set(name, makeTensor(name, type, shape, data));
      names.set(name, name);
      return name;
    },
    newName: (name) => {
      const taken = take(name);
      names.set(taken, taken);
      return taken;
    },
    isUsed: (name) => used.has(name),
  };
  const from = own.opsets.get("") ?? 1;
  const nodeNames = new Set([...callers, ...graph.nodes].map(({ name }) => name));
  for (const node of own.nodes) {
    const upgraded = upgradeNode(node, from, graph.opset, context);
    if (upgraded === undefined) {
      refuse(
        "ERR_EXPORT_OPSET",
        `The node ${node.name} of the imported model, ${node.operator} of version ${from}, cannot be written in version ` +
          `${graph.opset}, which other operators of the module need.`,
      );
    }
    for (const { name, inputs, outputs, ...rest } of upgraded) {
      let unique = name;
      for (let i = 1; name !== "" && nodeNames.has(unique); i++) unique = `${name}_${i}`;
      nodeNames.add(unique);
      graph.nodes.push({ ...rest, name: unique, inputs: inputs.map(nameOf), outputs: outputs.map(nameOf) });
    }
  }
  graph.nodes.push(...casts);
}

/** A value in the type that a model wants. What was cast before is taken as it was. */
function castInput(graph: ExportGraph, value: string, type: OnnxType | undefined): string {
  const given = graph.values.get(value)!.type;
  const wanted = type ?? (given === "int32" ? "int64" : given);
  if (given === wanted) return value;
  const before = graph.nodes.find((node) => node.operator === "Cast" && node.outputs[0] === value)?.inputs[0];
  if (before !== undefined && graph.values.get(before)!.type === wanted) return before;
  const cast = freeName(graph, `${value}_${wanted}`);
  graph.values.set(cast, { ...graph.values.get(value)!, type: wanted });
  graph.nodes.push(makeNode("Cast", [value], [cast], { to: numberOfType(wanted) }));
  return cast;
}

function replaceIn(nodes: readonly OnnxNode[], from: string, to: string): void {
  for (const node of nodes) node.inputs = node.inputs.map((input) => (input === from ? to : input));
}
