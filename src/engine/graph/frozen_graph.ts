/**
 * Inference runs one graph over and over with weights that do not change. After a few such runs the graph is compiled
 * again with its weights as constants, which ONNX Runtime lays out, folds and fuses once and for all.
 */
import { withoutBlocks } from "../blocked/plain_model.js";
import { joinBackground, Session, type OrtArray } from "../runtime/index.js";
import { encodeModel, type ModelNode, type NamedValue } from "./onnx_model.js";
import { Value } from "./value.js";

/** Runs with the same weights after which they count as constants. */
const STEADY_RUNS = 16;

/** A model's bytes must stay below 2 GiB. */
const MAX_WEIGHT_BYTES = 2 ** 30;

/** A graph without the arrays that it ran on. */
export interface Model {
  readonly nodes: readonly ModelNode[];
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  readonly constants: readonly NamedValue[];
}

type Compile = (model: Uint8Array) => Session;

export class FrozenGraph {
  readonly #model: Model;
  #steadyRuns = 0;
  /** The weights of the last run, with their versions. */
  #weights: { value: Value; version: number }[] = [];
  #session: Session | undefined;
  /** The numbers of the arrays that the session gets: those that are no weights. */
  #free: readonly number[] = [];

  constructor(model: Model) {
    this.#model = model;
  }

  /**
   * Takes note of a run.
   * @param compile makes a session, and counts it
   * @returns the session with the weights as constants, and what it wants to be fed; undefined while they change
   */
  sessionFor(
    feeds: readonly Value[],
    compile: Compile,
  ): { session: Session; inputs: OrtArray[] } | undefined {
    if (!this.#isSteady(feeds)) {
      this.dispose();
      this.#steadyRuns = 0;
      const weights = feeds.filter(({ isWeight }) => isWeight);
      this.#weights = weights.map((value) => ({ value, version: value.version }));
      return undefined;
    }
    this.#steadyRuns++;
    if (this.#steadyRuns < STEADY_RUNS) return undefined;
    this.#session ??= this.#freeze(feeds, compile);
    return this.#session && { session: this.#session, inputs: this.#free.map((i) => feeds[i]!.array!) };
  }

  /** Whether the weights are those of the last run. */
  #isSteady(feeds: readonly Value[]): boolean {
    let weights = 0;
    for (const value of feeds) {
      if (!value.isWeight) continue;
      const before = this.#weights[weights++];
      if (before?.value !== value || before.version !== value.version) return false;
    }
    return weights > 0 && weights === this.#weights.length;
  }

  #freeze(feeds: readonly Value[], compile: Compile): Session | undefined {
    const bytes = feeds.reduce((sum, { isWeight, array }) => sum + (isWeight ? array!.byteLength : 0), 0);
    if (bytes > MAX_WEIGHT_BYTES || !this.#hasWork(feeds)) return undefined;
    this.#free = [...feeds.keys()].filter((i) => !feeds[i]!.isWeight);
    return compile(this.#encode(feeds, compile));
  }

  dispose(): void {
    this.#session?.dispose();
    this.#session = undefined;
  }

  /** Whether every output depends on something but weights. */
  #hasWork(feeds: readonly Value[]): boolean {
    const { nodes, inputs, outputs } = this.#model;
    const free = new Set(inputs.filter((_, i) => !feeds[i]!.isWeight).map(({ name }) => name));
    for (const node of nodes) {
      if (node.inputs.some((input) => free.has(input))) for (const output of node.outputs) free.add(output);
    }
    return outputs.every(({ name }) => free.has(name));
  }

  /** The nodes that follow from weights and constants alone, and those that a run computes. */
  #split(
    weights: readonly NamedValue[],
    free: readonly NamedValue[],
  ): { before: ModelNode[]; after: ModelNode[]; constants: readonly NamedValue[] } {
    const { nodes, outputs, constants } = this.#model;
    const { before, after } = split(nodes, [...constants, ...weights]);
    const made = before.flatMap((node) =>
      node.outputs.map((name, i) => ({ name, value: node.outputValues[i]! })),
    );
    const plain = withoutBlocks(after, [...constants, ...weights, ...free, ...made], outputs);
    if (plain === undefined) return { before, after, constants };
    const all = [...constants, ...plain.constants];
    return { ...split([...before, ...plain.nodes], [...all, ...weights]), constants: all };
  }

  /** The model with the weights, and whatever follows from them alone, as constants. */
  #encode(feeds: readonly Value[], compile: Compile): Uint8Array {
    joinBackground();
    const { inputs, outputs } = this.#model;
    const weights = inputs.flatMap(({ name }, i) => (feeds[i]!.isWeight ? [{ name, value: feeds[i]! }] : []));
    const free = inputs.filter((_, i) => !feeds[i]!.isWeight);
    const { before, after, constants } = this.#split(weights, free);
    const wanted = new Set([...after.flatMap((node) => node.inputs), ...outputs.map(({ name }) => name)]);
    const computed = before
      .flatMap((node) => node.outputs.map((name, i) => ({ name, value: node.outputValues[i]! })))
      .filter(({ name }) => wanted.has(name));
    const isComputed = new Set(computed.map(({ name }) => name));
    const late = [...constants, ...weights].filter(({ name }) => wanted.has(name) && !isComputed.has(name));
    return encodeModel(after, free, outputs, [
      ...late,
      ...compute(before, computed, weights, constants, compile),
    ]);
  }
}

/** The nodes that follow from what is known, and the others. */
function split(
  nodes: readonly ModelNode[],
  known: readonly NamedValue[],
): { before: ModelNode[]; after: ModelNode[] } {
  const names = new Set(known.map(({ name }) => name));
  const before: ModelNode[] = [];
  const after: ModelNode[] = [];
  for (const node of nodes) {
    const isKnown = node.inputs.every((input) => names.has(input));
    (isKnown ? before : after).push(node);
    if (isKnown) for (const output of node.outputs) names.add(output);
  }
  return { before, after };
}

/** Runs the nodes that depend on nothing but weights and constants. */
function compute(
  nodes: readonly ModelNode[],
  wanted: readonly NamedValue[],
  weights: readonly NamedValue[],
  constants: readonly NamedValue[],
  compile: Compile,
): NamedValue[] {
  if (wanted.length === 0) return [];
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  const inputs = weights.filter(({ name }) => used.has(name));
  const session = compile(
    encodeModel(
      nodes,
      inputs,
      wanted,
      constants.filter(({ name }) => used.has(name)),
    ),
  );
  const arrays = session.run(
    inputs.map(({ value }) => value.array!),
    wanted.map(() => undefined),
  );
  session.dispose();
  return wanted.map(({ name, value: { shape, type } }, i) => {
    const value = new Value(shape, type);
    value.array = arrays[i]!;
    return { name, value };
  });
}
