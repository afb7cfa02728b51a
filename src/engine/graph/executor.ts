/** Compiles pending graphs, once per structure, and runs them. */
import {
  isBackgroundIdle,
  computeThreads,
  joinBackground,
  OrtArray,
  Session,
  type BackgroundRun,
  type Device,
  type RunArrays,
} from "../runtime/index.js";
import type { EngineError } from "../../errors.js";
import type { EngineStats } from "../stats.js";
import { CompiledGraph, CompiledModel } from "./compiled_graph.js";
import type { Model } from "./frozen_graph.js";
import { encodeModel } from "./onnx_model.js";
import { withoutLastReshapes } from "./last_reshapes.js";
import { inMixedPrecision } from "./mixed_precision.js";
import { explain, outOfMemory } from "./kernel_call.js";
import { ArrayPool } from "./array_pool.js";
import { inferencePlan, makePlan, modelOf, type Plan } from "./plan.js";
import type { Profile } from "./profiling.js";
import { Value } from "./value.js";

/**
 * A graph that took less the last time, in milliseconds, runs at once: the event loop can wait that long, and the way to
 * another thread and back, a quarter of a millisecond with everything it disturbs, would be felt.
 */
const SHORT_MS = 10;

/** A graph of so many operators gets lively threads: what goes on between its operators counts. */
const MANY_NODES = 16;

/** So many runs of an elementwise graph over a piece take no longer. */
const SHORT_RUNS = 32;

/** Fewer are not worth another thread. */
const RUNS_A_THREAD = 4;
/** Memory feeds no more of them. */
const MAX_THREADS = 4;

/** Sizes of batches to keep the shapes for, of each model. */
const MAX_LENGTHS = 64;

/** What graphs compute in: float32, or float16 in products and float32 in everything else. */
export type Precision = "32-true" | "16-mixed";

export class Executor {
  readonly #models = new Map<string, CompiledModel>();
  readonly #stats: EngineStats;
  readonly #maxSessions: number;
  #pool = new ArrayPool();
  #device: Device | undefined;
  #precision: Precision = "32-true";
  /** Runs that were begun in the background; undefined where whoever begins one waits for it. */
  #begun: BackgroundRun[] | undefined;
  #profile: Profile | undefined;
  /** Values that nobody refers to any more, whose arrays may still be wanted by what is recorded. */
  #released = new Set<Value>();

  /** @param maxSessions compiled graphs to keep; the one unused for longest goes first */
  constructor(stats: EngineStats, maxSessions: number) {
    this.#stats = stats;
    this.#maxSessions = maxSessions;
  }

  /** Computes the arrays of all the given values in one run; what is computed is the roots in the order they are given. */
  run(roots: readonly Value[]): { graph: CompiledGraph; feeds: readonly Value[] } {
    // Devices' providers want to know all lengths: CoreML and DirectML take or fuse nothing else.
    const plan = makePlan(roots, { isOfAnyBatch: this.#device === undefined });
    const graph = this.#graphFor(plan, roots);
    const targets = roots.map(({ target }) => target);
    const { arrays, run } = this.#compute(graph, plan.feeds, targets);
    roots.forEach((value, i) => settle(value, arrays[i]!, value.target, run));
    return { graph, feeds: plan.feeds };
  }

  /**
   * Runs a graph again on other arrays.
   * @param targets where to compute some of the outputs
   */
  replay(graph: CompiledGraph, feeds: readonly Value[], targets: readonly (OrtArray | undefined)[]): Value[] {
    const { arrays, run } = this.#compute(graph, feeds, targets);
    this.#stats.replays++;
    return graph.outputs.map(({ type, shape }, i) =>
      settle(new Value(shape, type), arrays[i]!, targets[i], run),
    );
  }

  /**
   * Has what `f` runs go on in the background, but for runs that are known to be short while there is nothing to wait
   * for. Values get their arrays at once, to be fed to other runs; before anybody else looks into one the background is
   * to be joined. The numbers are the same either way.
   * @returns the runs that it has begun
   */
  inBackground<T>(f: () => T): { result: T; runs: readonly BackgroundRun[] } {
    const before = this.#begun;
    const runs: BackgroundRun[] = [];
    this.#begun = runs;
    try {
      return { result: f(), runs };
    } finally {
      this.#begun = before;
    }
  }

  /** Waits for what runs in the background, unless what is begun now goes on there. */
  catchUp(): void {
    if (this.#begun === undefined) joinBackground();
  }

  /**
   * Runs a session of `compileElementwise` several times, once the values that it needs are computed: on all threads at the
   * same time, for each runs an operator at a time, and shares none of them.
   */
  runPieces(session: Session, pieces: readonly RunArrays[], needed: readonly Value[]): void {
    const after = runsOf(needed);
    const shares = shareOut(pieces);
    if (this.#begun !== undefined && !(isBackgroundIdle() && pieces.length < SHORT_RUNS)) {
      this.#begun.push(...session.runSideBySide(shares, after, 0));
      return;
    }
    const [own, ...others] = shares as [readonly RunArrays[], ...(readonly RunArrays[])[]];
    const runs = others.length > 0 ? session.runSideBySide(others, after, 1) : [];
    try {
      for (const { inputs, outputs } of own) session.run(inputs, outputs);
    } finally {
      if (runs.length > 0) joinBackground();
    }
    const failed = runs.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error!;
  }

  /**
   * A session over vectors of any one length, which the roots are computed from element by element.
   * @returns the session, and for each of its inputs the number of the vector, or the value of a number
   */
  compileElementwise(
    vectors: readonly Value[],
    roots: readonly Value[],
  ): { session: Session; feeds: (number | Value)[] } {
    const plan = makePlan(roots);
    const { session } = this.#graphFor({ ...plan, key: `elementwise ${plan.key}` }, roots, vectors).compiled;
    const feeds = plan.feeds.map((feed) => {
      const vector = vectors.indexOf(feed);
      return vector < 0 ? feed : vector;
    });
    return { session, feeds };
  }

  /** Lets the array of a value be used again, once no recorded operator can need it. */
  release(value: Value): void {
    if (!value.isMutable) this.#released.add(value);
  }

  /** Computes on a device from now on, or on the CPU. Arrays are brought there when a graph wants them. */
  useDevice(device: Device | undefined, precision: Precision): void {
    this.dispose();
    this.#device = device;
    this.#precision = precision;
    this.#pool = new ArrayPool(this.#memory);
  }

  /** Compiles everything anew, to trace it from now on, or to trace it no longer. */
  setProfile(profile: Profile | undefined): void {
    this.dispose();
    this.#profile = profile;
  }

  /** The device whose memory arrays are in between runs; undefined for the CPU's. */
  get #memory(): Device | undefined {
    return this.#device?.holdsArrays === true ? this.#device : undefined;
  }

  dispose(): void {
    joinBackground();
    for (const model of this.#models.values()) model.dispose();
    this.#models.clear();
    this.#pool.clear();
    this.#stats.cachedSessions = 0;
  }

  #compute(
    graph: CompiledGraph,
    feeds: readonly Value[],
    targets: readonly (OrtArray | undefined)[],
  ): { arrays: OrtArray[]; run: BackgroundRun | undefined } {
    const after = runsOf(feeds);
    try {
      return this.#tryToCompute(graph, feeds, targets, after);
    } catch (error) {
      throw this.#failed(graph, feeds, error);
    }
  }

  /**
   * After a failure: the session is not used again, and the arrays stay for whoever asks for a part of the graph.
   * @returns the error with the calls that it stems from
   */
  #failed(graph: CompiledGraph, feeds: readonly Value[], error: unknown): unknown {
    for (const feed of feeds) {
      feed.isPooled = false;
      this.#released.delete(feed);
    }
    for (const [key, cached] of this.#models) if (cached === graph.compiled) this.#models.delete(key);
    graph.compiled.dispose();
    this.#stats.cachedSessions = this.#models.size;
    return explain(error, graph.calls);
  }

  #tryToCompute(
    graph: CompiledGraph,
    feeds: readonly Value[],
    targets: readonly (OrtArray | undefined)[],
    after: readonly BackgroundRun[],
  ): { arrays: OrtArray[]; run: BackgroundRun | undefined } {
    const memory = this.#memory;
    for (const feed of feeds) if (feed.array!.device !== memory) bring(feed, memory);
    const given = [...feeds, ...graph.shapes];
    const inputs = given.map(({ array }) => array!);
    const isNeeded = among(feeds, this.#released.size);
    for (const value of this.#released) if (!isNeeded(value)) this.#recycle(value);
    const isRead = among(inputs, targets.length);
    const taken = new Set<OrtArray>();
    const outputs = graph.outputs.map((output, i) => {
      const target = targets[i];
      // Nothing is computed into an array that the graph reads.
      if (target === undefined || taken.has(target) || isRead(target)) return this.#take(output);
      taken.add(target);
      return target;
    });
    const written = outputs.map((array, i) => array.under(graph.outputs[i]!.computedShape));
    const { frozen, session: whole, nodeCount } = graph.compiled;
    const steady = frozen.sessionFor(given, (model) => this.#compile(model, nodeCount));
    const { session, inputs: read } = steady ?? { session: whole, inputs };
    const count = (ms: number): void => {
      graph.lastMs = ms;
      this.#stats.runMs += ms;
    };
    let run: BackgroundRun | undefined;
    if (this.#begun !== undefined && !(isBackgroundIdle() && graph.lastMs < SHORT_MS)) {
      run = session.runInBackground([{ inputs: read, outputs: written }], after, (over) => {
        count(over.ms);
        const isOwnError = over.error !== undefined && !after.some(({ error }) => error === over.error);
        if (isOwnError) over.error = this.#failed(graph, feeds, over.error) as EngineError;
      });
      this.#begun.push(run);
    } else {
      const start = performance.now();
      session.run(read, written);
      count(performance.now() - start);
    }
    this.#stats.runs++;
    this.#stats.lastGraphNodes = nodeCount;
    // Whatever takes one of these arrays is begun later, and so writes it when this run is over.
    for (const value of this.#released) this.#recycle(value);
    return { arrays: outputs, run };
  }

  /** The model as the device computes it best. */
  #inForm(model: Model, isElementwise: boolean): Model {
    if (this.#precision === "16-mixed") return inMixedPrecision(model);
    return this.#device !== undefined || isElementwise ? model : withoutLastReshapes(model);
  }

  #take(output: CompiledGraph["outputs"][number]): OrtArray {
    try {
      return this.#pool.take(output.type, output.shape);
    } catch (error) {
      throw error instanceof RangeError ? outOfMemory(output, error) : error;
    }
  }

  /** @param isElementwise whether `runPieces` shares out its runs, so that none needs a second thread */
  #compile(model: Uint8Array, nodeCount: number, isElementwise = false): Session {
    const start = performance.now();
    const session = new Session(model, {
      ...(isElementwise ? { threads: 1 } : { lively: this.#device === undefined && nodeCount >= MANY_NODES }),
      ...(this.#device && { device: this.#device }),
      ...(this.#profile && { profilePrefix: this.#profile.nextPrefix() }),
    });
    this.#stats.compiles++;
    this.#stats.compileMs += performance.now() - start;
    return session;
  }

  #recycle(value: Value): void {
    this.#released.delete(value);
    if (value.holders > 0 || value.array === undefined) return;
    if (value.isPooled) this.#pool.give(value.array);
    else value.array.dispose(); // from outside: whoever made it may keep its elements
    value.array = undefined;
  }

  /** @param vectors values whose only axis may have any length, as may the outputs' then */
  #graphFor(plan: Plan, outputs: readonly Value[], vectors: readonly Value[] = []): CompiledGraph {
    const inference = inferencePlan(plan, outputs);
    const { shapes } = inference ?? plan;
    const key = `${this.#precision} ${plan.key} ${inference?.key ?? ""}`;
    const lengths = [
      ...plan.feeds.map(({ shape }) => shape[0]),
      ...shapes.map(({ constant }) => constant!),
    ].join(" ");
    const calls = plan.nodes.map(({ call }) => call);
    let compiled = this.#models.get(key);
    let graph = compiled?.graphs.get(lengths);
    if (graph === undefined) {
      const single = modelOf(inference ?? plan, outputs, vectors);
      const model = this.#inForm(single, vectors.length > 0);
      try {
        compiled ??= this.#compileModel(model, plan.nodes.length, vectors.length > 0);
      } catch (error) {
        throw explain(error, calls);
      }
      graph = new CompiledGraph(compiled, model, outputs, shapes);
    }
    graph.calls = calls;
    refresh(graph.compiled.graphs, lengths, graph, MAX_LENGTHS);
    for (const forgotten of refresh(this.#models, key, graph.compiled, this.#maxSessions))
      forgotten.dispose();
    this.#stats.cachedSessions = this.#models.size;
    return graph;
  }

  #compileModel(model: Model, nodeCount: number, isElementwise: boolean): CompiledModel {
    const bytes = encodeModel(model.nodes, model.inputs, model.outputs, model.constants);
    return new CompiledModel(this.#compile(bytes, nodeCount, isElementwise), model, nodeCount);
  }
}

/**
 * Makes an entry the one used last.
 * @returns those that were dropped because there are more than `most`, unused for longest
 */
function refresh<T>(map: Map<string, T>, key: string, value: T, most: number): T[] {
  map.delete(key);
  map.set(key, value);
  const oldest = [...map].slice(0, Math.max(0, map.size - most));
  for (const [key] of oldest) map.delete(key);
  return oldest.map(([, value]) => value);
}

/** Whether an item is one of a list's, to be asked so many times: a few questions are not worth a set. */
function among<T>(list: readonly T[], questions: number): (item: T) => boolean {
  if (questions < 8) return (item) => list.includes(item);
  const set = new Set(list);
  return (item) => set.has(item);
}

/** Runs in lists of about the same length, one for each thread; all in one where they are few. */
function shareOut(runs: readonly RunArrays[]): (readonly RunArrays[])[] {
  const threads = Math.min(computeThreads(), MAX_THREADS, Math.floor(runs.length / RUNS_A_THREAD));
  const length = Math.ceil(runs.length / Math.max(1, threads));
  const lists = Math.max(1, Math.ceil(runs.length / length));
  return Array.from({ length: lists }, (_, i) => runs.slice(i * length, (i + 1) * length));
}

/** Moves the array of a value into a memory, for good. ONNX Runtime itself carries what only this run wants to a device. */
function bring(value: Value, memory: Device | undefined): void {
  const array = value.array!;
  if (value.size === 0 || (array.device === undefined && value.holders === 0)) return;
  const host = array.device === undefined ? array : OrtArray.wrap(array.type, array.data, array.shape);
  value.array = memory === undefined ? host : host.copyTo(memory);
  value.isMutable = false;
  // The caller of readSync may have the elements that were on the device before.
  value.isPooled = memory !== undefined;
  if (array.device !== undefined) array.dispose();
}

/**
 * The runs in the background that are still computing some of the values.
 * @throws EngineError the one of a run that has failed
 */
function runsOf(values: readonly Value[]): BackgroundRun[] {
  const runs = new Set<BackgroundRun>();
  for (const { run } of values) {
    if (run?.error !== undefined) throw run.error;
    if (run !== undefined && !run.isOver) runs.add(run);
  }
  return [...runs];
}

function settle(
  value: Value,
  array: OrtArray,
  target: OrtArray | undefined,
  run: BackgroundRun | undefined,
): Value {
  value.array = array;
  value.run = run;
  value.node = undefined;
  value.inference = undefined;
  value.target = undefined;
  value.isMutable = array === target;
  value.isPooled = !value.isMutable;
  return value;
}
