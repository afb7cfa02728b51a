/** One graph for all lengths, of recordings of one function at several: node by node, what differs is computed. */
import type { Attributes, RecordedArray, RecordedGraph, RecordedNode } from "../../engine/index.js";
import { Dimensions, isConstant, type Observed } from "./dimensions.js";
import { dynamicArray } from "./dynamic_arrays.js";
import { addInitializer, makeNode, refuse, type ExportGraph, type ShortAttribute } from "./export_graph.js";

/** What the engine's graphs are written in. */
const RECORDED_OPSET = 20;

/** The end of an axis, however long it is. */
const END = 2 ** 31 - 1;

/** The names of the dynamic axes of each input, by their number. */
export type DynamicAxes = Readonly<Record<string, Readonly<Record<number, string>>>>;

/**
 * @param recordings of one function, at lengths of the dynamic axes that differ from one another and from all others
 * @throws OnnxError `ERR_EXPORT_DYNAMIC` naming the operator that does not follow from the lengths
 */
export function mergeRecordings(recordings: readonly RecordedGraph[], axes: DynamicAxes): ExportGraph {
  return new Merge(recordings, axes).run();
}

class Merge {
  readonly #recordings: readonly RecordedGraph[];
  readonly #axes: DynamicAxes;
  readonly #graph: ExportGraph;
  readonly #dimensions: Dimensions;
  /** Names, in the exported graph, of arrays that are computed from lengths. */
  readonly #dynamic = new Map<string, string>();

  constructor(recordings: readonly RecordedGraph[], axes: DynamicAxes) {
    this.#recordings = recordings;
    this.#axes = axes;
    const { inputs, outputs, values } = recordings[0]!;
    this.#graph = {
      opset: RECORDED_OPSET,
      domains: new Map(),
      nodes: [],
      inputs,
      outputs,
      initializers: new Map(),
      // Every recorded name is taken from the start, so that what is computed beside them has others.
      values: new Map([...values].map(([name, { type }]) => [name, { type, shape: [] }])),
    };
    this.#dimensions = new Dimensions(this.#graph);
  }

  run(): ExportGraph {
    const [first, ...others] = this.#recordings as [RecordedGraph, ...RecordedGraph[]];
    for (const other of others) checkStructure(first, other);
    for (const [name, named] of Object.entries(this.#axes)) {
      const lengths = this.#lengthsOf(name);
      for (const axis in named) this.#dimensions.add(name, Number(axis), lengths[Number(axis)]!, named[axis]);
    }
    for (const name of first.inputs) this.#describe(name);
    for (const [name, array] of first.arrays) this.#addArray(name, array);
    this.#addNodes(first.nodes);
    return this.#graph;
  }

  /**
   * A length may be that of what comes later in the recording: a node waits until all it reads is there, and only where
   * nothing else can go on, one of them gets what lengths say by a rule.
   */
  #addNodes(nodes: readonly RecordedNode[]): void {
    let waiting = [...nodes.entries()];
    while (waiting.length > 0) {
      let still = this.#addReady(waiting, false).still;
      if (still.length === waiting.length) {
        const { still: left, failure } = this.#addReady(waiting, true);
        if (left.length === waiting.length) throw failure;
        still = left;
      }
      waiting = still;
    }
  }

  /** @param byRules whether lengths may be computed, for the first node that needs one and no more */
  #addReady(waiting: readonly [number, RecordedNode][], byRules: boolean) {
    const missing = new Set<string>();
    let failure: unknown;
    let isOver = false;
    this.#dimensions.allowsRules = byRules;
    const still = waiting.filter(([index, node]) => {
      if (!isOver && !node.inputs.some((input) => missing.has(input))) {
        try {
          this.#addNode(node, index);
          isOver = byRules;
          return false;
        } catch (error) {
          failure ??= error;
        }
      }
      for (const output of node.outputs) missing.add(output);
      return true;
    });
    return { still, failure };
  }

  #addArray(name: string, array: RecordedArray): void {
    const versions = this.#recordings.map(({ arrays }) => arrays.get(name)!);
    if (!versions.every((version) => isSameArray(version, array))) return; // what reads it says what it is to be
    this.#graph.values.delete(name);
    addInitializer(this.#graph, name, array.type, array.shape, array.data);
  }

  #addNode(node: RecordedNode, index: number): void {
    const versions = this.#recordings.map(({ nodes }) => nodes[index]!);
    const attributes = attributesOf(node.attributes);
    const varying = differingAttribute(versions);
    if (varying !== undefined) {
      const values = versions.map(({ attributes }) => JSON.stringify(attributes[varying])).join(" and ");
      refuse(
        "ERR_EXPORT_DYNAMIC",
        `${this.#where(node)} has the ${varying} ${values}, which ONNX fixes. ${ADVICE}`,
      );
    }
    const inputs = node.inputs.map((input, i) => this.#inputOf(node, input, i));
    const [domain, operator] = node.operator.includes(":") ? node.operator.split(":") : ["", node.operator];
    const made = makeNode(operator!, inputs, node.outputs, attributes, node.name);
    this.#graph.nodes.push({ ...made, domain: domain! });
    for (const output of node.outputs) this.#describe(output);
  }

  /** The name of what a node reads, which may have to be computed first. */
  #inputOf(node: RecordedNode, input: string, position: number): string {
    const arrays = this.#recordings.map((recording) => recording.arrays.get(input));
    if (arrays[0] === undefined || this.#graph.initializers.has(input)) return input;
    const known = this.#dynamic.get(input);
    if (known !== undefined) return known;
    const versions = arrays as RecordedArray[];
    const operand = this.#shapeOperand(node, versions, position);
    if (operand !== undefined) return operand;
    const computed = dynamicArray(this.#graph, this.#dimensions, versions);
    if (computed === undefined) this.#refuseArray(node, versions);
    this.#dynamic.set(input, computed);
    return computed;
  }

  /** Where an operator has a word for a length that varies. */
  #shapeOperand(
    node: RecordedNode,
    versions: readonly RecordedArray[],
    position: number,
  ): string | undefined {
    const numbers = elementwise(versions);
    if (versions[0]!.type !== "int64" || versions[0]!.shape.length !== 1 || numbers === undefined)
      return undefined;
    if (node.operator === "Reshape" && position === 1) return this.#reshapeTarget(node.inputs[0]!, numbers);
    if (node.operator === "Slice" && position === 2) return this.#sliceEnds(node, numbers);
    return undefined;
  }

  /** 0 is the input's own length, and -1 whatever is left. */
  #reshapeTarget(input: string, numbers: readonly Observed[]): string | undefined {
    const lengths = this.#lengthsOf(input);
    const dynamic = numbers.flatMap((observed, axis) => (isConstant(observed) ? [] : [axis]));
    const isKept = (axis: number) => lengths[axis]?.join() === numbers[axis]!.join();
    const rest = dynamic.length === 1 ? dynamic : dynamic.filter((axis) => !isKept(axis));
    const left = rest.find((axis) => this.#dimensions.valueOf(numbers[axis]!) === undefined) ?? rest[0];
    return this.#dimensions.vectorOf(
      numbers.map((observed, axis) => {
        if (axis === left) return [-1];
        return dynamic.includes(axis) && !rest.includes(axis) ? [0] : observed;
      }),
    );
  }

  #sliceEnds(node: RecordedNode, numbers: readonly Observed[]): string | undefined {
    const lengths = this.#lengthsOf(node.inputs[0]!);
    const axes = this.#recordings[0]!.arrays.get(node.inputs[3] ?? "")?.data;
    const open = numbers.map((observed, i): Observed => {
      const axis = axes === undefined ? i : Number(axes[i]);
      const isOpen = lengths[axis]?.every((length, k) => observed[k]! >= length) === true;
      return isOpen ? observed.map(() => END) : observed;
    });
    return this.#dimensions.vectorOf(open);
  }

  /** The lengths of a value's axes, in all recordings. */
  #lengthsOf(name: string): Observed[] {
    const shapes = this.#recordings.map(({ values }) => values.get(name)!.shape);
    return shapes[0]!.map((_, axis) => shapes.map((shape) => shape[axis]!));
  }

  /** Notes the shape of a value that is there now. */
  #describe(name: string): void {
    const lengths = this.#lengthsOf(name);
    lengths.forEach((observed, axis) => this.#dimensions.add(name, axis, observed));
    this.#graph.values.get(name)!.shape = lengths.map((observed) =>
      isConstant(observed) ? observed[0] : this.#dimensions.nameOf(observed),
    );
  }

  #where({ call, operator }: RecordedNode): string {
    return `The lengths of the dynamic axes change ${operator}, recorded for ${call}: it`;
  }

  #refuseArray(node: RecordedNode, versions: readonly RecordedArray[]): never {
    const [first, ...others] = versions as [RecordedArray, ...RecordedArray[]];
    const other = others.find((version) => !isSameArray(version, first))!;
    const isSameShape = first.shape.join() === other.shape.join();
    refuse(
      "ERR_EXPORT_DYNAMIC",
      `${this.#where(node)} reads an array ${first.type} [${first.shape.join(", ")}] ` +
        (isSameShape
          ? "whose numbers differ from one recording to the next: they depend on a length in a way that cannot be told, " +
            "or they are random. "
          : `that is [${other.shape.join(", ")}] at other lengths, and neither repeats one number nor is a range or a part ` +
            "of one table. Compute it with TF.js operators from what forward is given, or keep one for the largest length " +
            "as a buffer and slice it. ") +
        ADVICE,
    );
  }
}

const ADVICE =
  "Leave the axis out of dynamicAxes to fix its length; with { dynamicAxes: {} } all axes have the lengths of the inputs given.";

/** @throws OnnxError `ERR_EXPORT_DYNAMIC` where the two are not the same operators on the same values */
function checkStructure(one: RecordedGraph, other: RecordedGraph): void {
  const count = Math.max(one.nodes.length, other.nodes.length);
  const differ = (key: "operator" | "inputs") =>
    Array.from({ length: count }, (_, i) => i).find(
      (i) => String(one.nodes[i]?.[key]) !== String(other.nodes[i]?.[key]),
    );
  const place = differ("operator") ?? differ("inputs");
  if (place === undefined) return;
  const describe = (graph: RecordedGraph) =>
    `${graph.nodes.length}, the ${place + 1}th of them in ${graph.nodes[place]?.call ?? "none"}, for ${inputShapes(graph)}`;
  refuse(
    "ERR_EXPORT_DYNAMIC",
    `With inputs of other lengths, other operators are recorded: ${describe(one)}; ${describe(other)}. A model can only hold ` +
      `one of them. ${ADVICE}`,
  );
}

function inputShapes({ inputs, values }: RecordedGraph): string {
  return inputs.map((name) => `${name} [${values.get(name)!.shape.join(", ")}]`).join(", ");
}

/** The name of an attribute that is not the same in all versions of a node. */
function differingAttribute(versions: readonly RecordedNode[]): string | undefined {
  const [first, ...others] = versions as [RecordedNode, ...RecordedNode[]];
  return Object.keys(first.attributes).find((name) => {
    const value = JSON.stringify(first.attributes[name]);
    return others.some(({ attributes }) => JSON.stringify(attributes[name]) !== value);
  });
}

function attributesOf(attributes: Attributes): Record<string, ShortAttribute> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, shortAttribute(value)]));
}

function shortAttribute(value: Attributes[string]): ShortAttribute {
  if (typeof value !== "object" || isList(value)) return value;
  if ("float" in value) return { kind: "float", value: value.float };
  if ("floats" in value) return { kind: "floats", value: [...value.floats] };
  return refuse("ERR_ONNX_EXPORT", "The function records a loop, which an exported model cannot hold yet.");
}

/** As `Array.isArray`, with the type that it lacks for lists that are not to be changed. */
function isList(value: object): value is readonly number[] {
  return Array.isArray(value);
}

/** The elements one by one, each as all versions have it; undefined where they are not as many. */
function elementwise(versions: readonly RecordedArray[]): Observed[] | undefined {
  const count = versions[0]!.data.length;
  if (versions.some(({ data }) => data.length !== count)) return undefined;
  return Array.from({ length: count }, (_, i) => versions.map(({ data }) => Number(data[i])));
}

function isSameArray(one: RecordedArray, other: RecordedArray): boolean {
  if (one.data === other.data) return true;
  if (one.shape.join() !== other.shape.join()) return false;
  if (one.data.buffer === other.data.buffer && one.data.byteOffset === other.data.byteOffset) return true;
  return one.data.every((item: number | bigint, i: number) => Object.is(item, other.data[i]));
}
