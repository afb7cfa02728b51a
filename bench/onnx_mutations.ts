/** Damaged ONNX files, made of whole ones: what a bad download, a bad exporter or a bad person would send. */
import type { Generator } from "kindling";
import { encodeOnnx, type OnnxAttribute, type OnnxGraph, type OnnxModel, type OnnxNode } from "kindling";

/** Bytes at which encodings of numbers change. */
const EDGES = [0, 1, 2, 8, 0x0a, 0x12, 0x7f, 0x80, 0xfe, 0xff];

/** Numbers at which types end, and sizes that nobody has memory for. */
const NUMBERS: readonly (number | bigint)[] = [
  0,
  -1,
  1,
  2,
  255,
  65536,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 32,
  2 ** 40,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

type Mutation<T> = (subject: T, generator: Generator) => T;

/** One damaged file: sometimes its bytes are changed, sometimes what they say. */
export function mutate(bytes: Uint8Array, model: OnnxModel, generator: Generator): Uint8Array {
  if (generator.integer(3) === 0) {
    let damaged = bytes;
    for (let i = 0; i <= generator.integer(3); i++)
      damaged = pick(BYTE_MUTATIONS, generator)(damaged, generator);
    return damaged;
  }
  const changed = structuredClone(model);
  for (let i = 0; i <= generator.integer(3); i++) pick(MODEL_MUTATIONS, generator)(changed, generator);
  return encodeOnnx(changed);
}

function pick<T>(items: readonly T[], generator: Generator): T {
  return items[generator.integer(items.length)]!;
}

/** A stretch of the bytes. */
function stretch(bytes: Uint8Array, generator: Generator, longest = 64): [start: number, end: number] {
  if (bytes.length === 0) return [0, 0];
  const start = generator.integer(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + generator.integer(longest))];
}

const BYTE_MUTATIONS: readonly Mutation<Uint8Array>[] = [
  // cut off
  (bytes, generator) => bytes.slice(0, bytes.length === 0 ? 0 : generator.integer(bytes.length)),
  // other bits, other bytes
  (bytes, generator) => {
    const copy = bytes.slice();
    for (let i = 0; i <= generator.integer(8) && copy.length > 0; i++) {
      const place = generator.integer(copy.length);
      copy[place] =
        generator.integer(2) === 0 ? pick(EDGES, generator) : copy[place]! ^ (1 << generator.integer(8));
    }
    return copy;
  },
  // shuffled
  (bytes, generator) => {
    const copy = bytes.slice();
    const [start, end] = stretch(copy, generator);
    generator.permutation(end - start).forEach((from, to) => (copy[start + to] = bytes[start + from]!));
    return copy;
  },
  // a stretch is missing, or there twice, or is elsewhere
  (bytes, generator) => {
    const [start, end] = stretch(bytes, generator);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  (bytes, generator) => {
    const [start, end] = stretch(bytes, generator, 4096);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  (bytes, generator) => {
    const copy = bytes.slice();
    const [start, end] = stretch(copy, generator);
    const place = copy.length === 0 ? 0 : generator.integer(copy.length);
    copy.set(bytes.subarray(start, Math.min(end, start + copy.length - place)), place);
    return copy;
  },
  // a number that does not end, or is huge
  (bytes, generator) => {
    const [start] = stretch(bytes, generator);
    const varint = Uint8Array.from({ length: 1 + generator.integer(12) }, () => 0xff);
    return Buffer.concat([bytes.subarray(0, start), varint, bytes.subarray(start)]);
  },
];

function graphsOf(graph: OnnxGraph): OnnxGraph[] {
  const inner = graph.nodes.flatMap(({ attributes }) =>
    [...attributes.values()].flatMap((attribute) =>
      attribute.kind === "graph" ? graphsOf(attribute.value) : [],
    ),
  );
  return [graph, ...inner];
}

function anyNode(model: OnnxModel, generator: Generator): OnnxNode | undefined {
  const { nodes } = pick(graphsOf(model.graph), generator);
  return nodes.length === 0 ? undefined : pick(nodes, generator);
}

function anyName({ graph }: OnnxModel, generator: Generator): string {
  const names = [
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
    "",
    "nowhere",
  ];
  return pick(names, generator);
}

const MODEL_MUTATIONS: readonly ((model: OnnxModel, generator: Generator) => void)[] = [
  // other inputs and outputs: cycles, names that are there twice or not at all
  (model, generator) => {
    const node = anyNode(model, generator);
    if (node !== undefined && node.inputs.length > 0) {
      node.inputs[generator.integer(node.inputs.length)] = anyName(model, generator);
    }
  },
  (model, generator) => {
    const node = anyNode(model, generator);
    if (node !== undefined && node.outputs.length > 0) {
      node.outputs[generator.integer(node.outputs.length)] = anyName(model, generator);
    }
  },
  (model, generator) => {
    const node = anyNode(model, generator);
    if (generator.integer(2) === 0) node?.inputs.pop();
    else node?.inputs.push(anyName(model, generator));
  },
  // the operator of another node, or another version
  (model, generator) => {
    const [one, other] = [anyNode(model, generator), anyNode(model, generator)];
    if (one !== undefined && other !== undefined) [one.operator, one.domain] = [other.operator, other.domain];
  },
  (model, generator) => void model.opsetImports.set("", generator.integer(30)),
  // attributes: other numbers, another kind, those of another node, none
  (model, generator) => {
    const node = anyNode(model, generator);
    const attributes = [...(node?.attributes.values() ?? [])];
    if (attributes.length > 0) changeAttribute(pick(attributes, generator), generator);
  },
  (model, generator) => {
    const [one, other] = [anyNode(model, generator), anyNode(model, generator)];
    for (const [name, attribute] of structuredClone(other?.attributes) ?? [])
      one?.attributes.set(name, attribute);
  },
  (model, generator) => {
    const node = anyNode(model, generator);
    const names = [...(node?.attributes.keys() ?? [])];
    if (names.length > 0) node!.attributes.delete(pick(names, generator));
  },
  // arrays: other shapes, other numbers, the name of another
  (model, generator) => {
    const tensors = [...model.graph.initializers.values()];
    if (tensors.length === 0) return;
    const { shape } = pick(tensors, generator);
    if (shape.length === 0 || generator.integer(4) === 0) shape.push(Number(pick(NUMBERS, generator)));
    else shape[generator.integer(shape.length)] = Number(pick(NUMBERS, generator));
  },
  (model, generator) => {
    const tensors = [...model.graph.initializers.values()];
    if (tensors.length === 0) return;
    const { data } = pick(tensors, generator);
    if (Array.isArray(data) || data.length === 0) return;
    const place = generator.integer(data.length);
    const value = pick(NUMBERS, generator);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[place] = BigInt(value);
    else data[place] = Number(value);
  },
  // nodes: missing, there twice, in another order
  (model, generator) => {
    const { nodes } = pick(graphsOf(model.graph), generator);
    if (nodes.length > 0) nodes.splice(generator.integer(nodes.length), 1);
  },
  (model, generator) => {
    const { nodes } = pick(graphsOf(model.graph), generator);
    if (nodes.length > 0) nodes.push(structuredClone(pick(nodes, generator)));
  },
  (model, generator) => {
    const { graph } = model;
    graph.nodes = generator.permutation(graph.nodes.length).map((place) => graph.nodes[place]!);
  },
];

function changeAttribute(attribute: OnnxAttribute, generator: Generator): void {
  if (attribute.kind === "int") attribute.value = pick(NUMBERS, generator);
  else if (attribute.kind === "float") attribute.value = pick([0, -1, NaN, Infinity, 1e30], generator);
  else if (attribute.kind === "string") attribute.value = pick(["", "SAME_UPPER", "nonsense"], generator);
  else if (attribute.kind === "ints") {
    if (attribute.value.length === 0 || generator.integer(4) === 0)
      attribute.value.push(pick(NUMBERS, generator));
    else attribute.value[generator.integer(attribute.value.length)] = pick(NUMBERS, generator);
  } else Object.assign(attribute, { kind: "int", value: 1 });
}
