/**
 * Follows the kernel calls from one run of the graph to the next. As long as they are those of a program that has run
 * before they are only compared with it; the first that differs makes all of them a graph again.
 */
import type * as tf from "@tensorflow/tfjs-core";
import type { Laid } from "../layout.js";
import { Entry } from "./entry.js";
import type { OrtArray } from "../runtime/index.js";
import type { CompiledGraph } from "./compiled_graph.js";
import type { Executor } from "./executor.js";
import { during } from "./kernel_call.js";
import {
  isSameCall,
  ownCopy,
  referenceTo,
  type GivenInput,
  type Output,
  type Program,
  type ProgramCall,
} from "./program.js";
import type { Value } from "./value.js";

/** Programs to keep, the most recently used ones. */
const MAX_PROGRAMS = 32;

type Attributes = Readonly<Record<string, unknown>>;
type NamedTensors = Record<string, tf.TensorInfo>;
export type Lowered = tf.TensorInfo | tf.TensorInfo[];
/** Is given a copy of the call's attributes. */
export type Lower = (inputs: NamedTensors, attributes: Attributes) => Lowered | undefined;

/** What the tracer needs of the backend that keeps the entries. */
export interface EntryStore {
  entryOf(tensor: tf.TensorInfo): Entry;
  /** A new tensor over an entry. */
  add(entry: Entry, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
  /** A tensor over an entry for a while, until `takeBack`. */
  lend(entry: Entry, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
  takeBack(tensor: tf.TensorInfo): void;
  /** Forgets a tensor and its entry, whose value another entry has taken over. */
  discard(tensor: tf.TensorInfo): void;
  /** Lets go of what an entry refers to that has no tensors any more. */
  release(entry: Entry): void;
}

/** A call since the last run. */
interface Call {
  readonly made: ProgramCall;
  /** What the inputs were: a result's entry, or an array from outside, whose own entry may be gone by now. */
  readonly sources: readonly (Entry | Laid)[];
  readonly outputEntries: readonly Entry[];
  readonly lower: Lower;
}

export class Tracer {
  readonly #store: EntryStore;
  readonly #executor: Executor;
  /** Least recently used first. */
  readonly #programs = new Set<Program>();
  #calls: Call[] = [];
  #results = 0;
  /** Arrays from outside, in the order of their first use. Each knows its number and the stretch that it has it in. */
  #outside: Value[] = [];
  #stretch = 0;
  /** Arrays that follow from the calls' attributes and shapes. */
  #tables = new Set<Value>();
  /** Programs that begin with these calls; none while recording. */
  #candidates: Program[] = [];
  /** Whether something of this stretch cannot be explained by its calls alone. */
  #irregular = false;
  /** What the call that is being made is given; what lies behind is of earlier calls. Made once, for all calls of all steps. */
  readonly #given: GivenInput[] = [];
  /** A kernel that is called by a lowering is part of that lowering's call. */
  #isLowering = false;

  constructor(store: EntryStore, executor: Executor) {
    this.#store = store;
    this.#executor = executor;
  }

  /** Makes one kernel call: replayed, or else by `lower`. Undefined if that gives nothing. */
  call(kernelName: string, inputs: NamedTensors, attributes: Attributes, lower: Lower): Lowered | undefined {
    if (this.#isLowering) return lower(inputs, ownCopy(attributes));
    const sources = this.#take(inputs);
    const known = this.#match(kernelName, attributes, sources.length);
    if (known?.canReplay === true) return this.#replay(known, inputs, sources, lower);
    const stretch = this.#calls;
    const references = this.#given.slice(0, sources.length).map(referenceTo);
    const copy = ownCopy(attributes);
    const lowered = this.apart(() => during({ kernelName, inputs: references }, () => lower(inputs, copy)));
    if (lowered === undefined) return undefined;
    // A lowering that has read values may have decided by them: nothing of it can be replayed.
    if (stretch !== this.#calls) this.#irregular = true;
    if (known === undefined) this.record();
    const isList = Array.isArray(lowered);
    const outputEntries: Entry[] = [];
    const outputs: Output[] = [];
    for (const tensor of isList ? lowered : [lowered]) {
      const entry = this.#store.entryOf(tensor);
      outputEntries.push(entry);
      outputs.push(this.#describe(tensor, entry, inputs));
    }
    const canReplay = outputs.every(({ kind }) => kind !== "made");
    const made = { kernelName, attributes: copy, inputs: references, outputs, isList, canReplay };
    this.#calls.push({ made, sources, outputEntries, lower });
    return lowered;
  }

  /** Takes note of an array that follows from the attributes and shapes of the call that is being lowered. */
  keep(table: Value): void {
    this.#tables.add(table);
  }

  /** Makes kernel calls that are not to be followed. */
  apart<T>(f: () => T): T {
    const before = this.#isLowering;
    this.#isLowering = true;
    try {
      return f();
    } finally {
      this.#isLowering = before;
    }
  }

  /** Makes a graph of what has only been compared so far. */
  record(): void {
    if (this.#candidates.length === 0) return;
    this.#candidates = [];
    for (const call of this.#calls) this.#lowerAgain(call);
  }

  /** Runs the program whose calls and wanted results these are. Without one, records a graph and gives false. */
  replay(wanted: ReadonlySet<Entry>): boolean {
    const program = this.#candidates.find(
      ({ calls, roots, graph }) =>
        calls.length === this.#calls.length &&
        roots.size === wanted.size &&
        !graph.isDisposed &&
        [...wanted].every(({ result }) => result !== undefined && roots.has(result)),
    );
    if (program === undefined) {
      this.record();
      return false;
    }
    this.#programs.delete(program);
    this.#programs.add(program);
    const targets = new Array<OrtArray | undefined>(program.graph.outputs.length).fill(undefined);
    for (const { result, target } of wanted) targets[program.roots.get(result!)!] ??= target;
    const feeds = program.feeds.map((feed) => (typeof feed === "number" ? this.#outside[feed]! : feed));
    let values: Value[];
    try {
      values = this.#executor.replay(program.graph, feeds, targets);
    } catch (error) {
      this.record(); // what was handed out can still be computed when somebody asks for it
      this.begin();
      throw error;
    }
    for (const entry of wanted) {
      const { order, blocked } = entry.awaited!;
      entry.laid = { value: values[program.roots.get(entry.result!)!]!, order, blocked };
      entry.target = undefined;
    }
    this.begin();
    return true;
  }

  /**
   * Keeps the calls since the last run as a program, if they alone explain what has just run.
   * @param feeds the arrays that the graph was given
   * @param roots the entries it computed, with the numbers of its outputs
   */
  remember(graph: CompiledGraph, feeds: readonly Value[], roots: ReadonlyMap<Entry, number>): void {
    const sources = feeds.map((feed) => this.#numberOf(feed) ?? (this.#tables.has(feed) ? feed : undefined));
    const results = [...roots].map(([{ result }, output]) => [result, output] as const);
    const isExplained =
      !this.#irregular && !sources.includes(undefined) && results.every(([result]) => result !== undefined);
    if (isExplained) {
      const calls = this.#calls.map(({ made }) => made);
      this.#programs.add({
        calls,
        graph,
        feeds: sources as (number | Value)[],
        roots: new Map(results as [number, number][]),
      });
      for (const oldest of this.#programs) {
        if (this.#programs.size <= MAX_PROGRAMS && !oldest.graph.isDisposed) break;
        this.#programs.delete(oldest);
      }
    }
    this.begin();
  }

  /** Forgets all programs, when nothing is pending: the same calls will make another graph from now on. */
  forget(): void {
    this.#programs.clear();
    this.begin();
  }

  /** Begins a new stretch of calls. */
  begin(): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const { outputEntries } of calls) {
      for (const entry of outputEntries) {
        entry.result = undefined;
        if (entry.references <= 0) this.#store.release(entry);
      }
    }
    this.#results = 0;
    this.#outside = [];
    this.#stretch++;
    this.#tables = new Set();
    this.#irregular = false;
    this.#candidates = [...this.#programs].reverse();
  }

  /** Notes what a call is given. */
  #take(inputs: NamedTensors): (Entry | Laid)[] {
    const sources: (Entry | Laid)[] = [];
    for (const name in inputs) {
      const tensor = inputs[name] as tf.TensorInfo | null | undefined;
      if (tensor == null) continue;
      const entry = this.#store.entryOf(tensor);
      const feed = this.#feedOf(entry);
      const given = (this.#given[sources.length] ??= { name, tensor, entry, feed });
      given.name = name;
      given.tensor = tensor;
      given.entry = entry;
      given.feed = feed;
      sources.push(entry.result === undefined ? entry.laid! : entry);
    }
    return sources;
  }

  /** The number of the array from outside that an entry is; undefined for a result. */
  #feedOf(entry: Entry): number | undefined {
    if (entry.result !== undefined) return undefined;
    const { value } = entry.laid!;
    // A value that is still to be computed and is no result entered the graph behind the calls' back.
    if (value.array === undefined) this.#irregular = true;
    if (value.stretch !== this.#stretch) {
      value.stretch = this.#stretch;
      value.feed = this.#outside.push(value) - 1;
    }
    return value.feed;
  }

  /** The number of an array from outside in this stretch; undefined where it has not been used. */
  #numberOf(value: Value): number | undefined {
    return value.stretch === this.#stretch ? value.feed : undefined;
  }

  /** @param count of inputs given */
  #match(kernelName: string, attributes: Attributes, count: number): ProgramCall | undefined {
    const position = this.#calls.length;
    const isNext = (call: ProgramCall | undefined): boolean =>
      call !== undefined && isSameCall(call, kernelName, attributes, this.#given, count);
    const [first, second] = this.#candidates;
    if (second === undefined) return isNext(first?.calls[position]) ? first!.calls[position] : undefined;
    const matching = this.#candidates.filter(({ calls }) => isNext(calls[position]));
    if (matching.length > 0) this.#candidates = matching;
    return matching[0]?.calls[position];
  }

  #replay(
    made: ProgramCall,
    inputs: NamedTensors,
    sources: readonly (Entry | Laid)[],
    lower: Lower,
  ): Lowered {
    const tensors: tf.TensorInfo[] = [];
    const outputEntries: Entry[] = [];
    for (const output of made.outputs) {
      const tensor = this.#replayed(output, inputs);
      tensors.push(tensor);
      outputEntries.push(this.#store.entryOf(tensor));
    }
    this.#calls.push({ made, sources, outputEntries, lower });
    return made.isList ? tensors : tensors[0]!;
  }

  #replayed(output: Output, inputs: NamedTensors): tf.TensorInfo {
    if (output.kind === "input") {
      const { dataId, shape, dtype } = inputs[output.name]!;
      this.#store.entryOf(inputs[output.name]!).references++;
      return { dataId, shape, dtype };
    }
    const entry = new Entry(undefined, 1);
    if (output.kind === "feed") {
      const { order, blocked } = output;
      entry.laid = { value: this.#outside[output.feed]!, order, blocked };
    } else if (output.kind === "computed") {
      entry.awaited = output;
      entry.result = this.#results++;
    } else {
      throw new Error("Arrays that a call makes are never replayed.");
    }
    return this.#store.add(entry, output.shape, output.dtype);
  }

  #describe(tensor: tf.TensorInfo, entry: Entry, inputs: NamedTensors): Output {
    for (const name in inputs) {
      const input = inputs[name] as tf.TensorInfo | null | undefined;
      if (input != null && this.#store.entryOf(input) === entry) return { kind: "input", name };
    }
    const { value, order, blocked = false } = entry.laid as Laid;
    const layout = { shape: tensor.shape, dtype: tensor.dtype, order, blocked };
    if (value.node !== undefined) {
      entry.result = this.#results++;
      return { kind: "computed", ...layout };
    }
    const feed = this.#numberOf(value);
    return feed === undefined ? { kind: "made" } : { kind: "feed", feed, ...layout };
  }

  /** Lowers a call that was replayed, and gives its results to the entries that were handed out. */
  #lowerAgain({ made: call, sources, outputEntries, lower }: Call): void {
    const { inputs, outputs, canReplay } = call;
    if (!canReplay) return;
    const entries = sources.map((source) => (source instanceof Entry ? source : new Entry(source, 1)));
    const lent = Object.fromEntries(
      inputs.map(({ name, shape, dtype }, i) => [
        name,
        this.#store.lend(entries[i]!, shape, dtype as tf.DataType),
      ]),
    );
    const lowered = this.apart(() => during(call, () => lower(lent, call.attributes)))!;
    for (const [i, tensor] of (Array.isArray(lowered) ? lowered : [lowered]).entries()) {
      const { kind } = outputs[i]!;
      if (kind === "input") {
        this.#store.entryOf(tensor).references--;
        continue;
      }
      const made = this.#store.entryOf(tensor);
      if (kind === "computed") outputEntries[i]!.laid = made.laid;
      this.#store.discard(tensor);
    }
    for (const tensor of Object.values(lent)) this.#store.takeBack(tensor);
    entries.forEach((entry, i) => {
      if (entry !== sources[i]) entry.laid = undefined;
    });
  }
}
