/**
 * The TF.js backend `onnxruntime`. Its kernels record operators in a lazy graph (as LazyTensor does for PyTorch); reading
 * a value, or the Trainer at the end of a step, compiles and runs everything that is pending.
 */
import * as tf from "@tensorflow/tfjs-core";
import { Executor, type Precision } from "./graph/executor.js";
import { emitAll, Value, type Attributes, type ValueType } from "./graph/value.js";
import { blockSize } from "./blocked/block_size.js";
import { unblocked } from "./blocked/layout.js";
import { DataEntries } from "./data_entries.js";
import { Entry } from "./graph/entry.js";
import { during, type KernelCall } from "./graph/kernel_call.js";
import type { Profile } from "./graph/profiling.js";
import { recordedGraph, type RecordedGraph } from "./graph/recorded_graph.js";
import { ownCopy } from "./graph/program.js";
import { Tracer, type EntryStore, type Lower, type Lowered } from "./graph/tracer.js";
import { inOrder, simplifyOrder, type Laid, type Order } from "./layout.js";
import { joinBackground, OrtArray, type Device, type RunArrays, type Session } from "./runtime/index.js";
import { EngineError } from "../errors.js";
import { castTo } from "./kernels/elementwise.js";
import { newStats } from "./stats.js";
import { createFallbackBackend } from "./fallback_cpu.js";

export const BACKEND_NAME = "onnxruntime";

/** Any length will do for the vectors of an elementwise graph, but 1, which broadcasts. */
const PLACEHOLDER_LENGTH = 1024;

/** Compiled graphs to keep. A training run needs a handful; each holds its own memory. */
const MAX_SESSIONS = 64;

/** An input of a graph that is recorded for a model. */
export interface RecordedInput {
  shape: readonly number[];
  dtype: "float32" | "int32" | "bool" | "uint8" | "int64";
}

/** What TF.js has in place of the types that it lacks. */
const TENSOR_TYPES: Partial<Record<ValueType, ValueType>> = { uint8: "float32", int64: "int32" };

/** Types that ONNX has no use for here live in TF.js's cpu backend. */
interface HostEntry {
  host: tf.DataId;
  references: number;
}

export class OnnxRuntimeBackend extends tf.KernelBackend {
  readonly stats = newStats();
  readonly cpu = createFallbackBackend();
  readonly #executor = new Executor(this.stats, MAX_SESSIONS);
  readonly #data = new DataEntries<Entry | HostEntry>((dataId) => tf.engine().moveData(this, dataId));
  /** Entries whose array is not computed yet and that somebody still refers to. */
  #pending = new Set<Entry>();
  readonly #tracer: Tracer;
  #device: Device | undefined;
  #precision: Precision = "32-true";
  /** While a function is recorded for an ONNX model, and its inputs have no values. */
  #isExporting = false;

  constructor() {
    super();
    const store: EntryStore = {
      entryOf: (tensor) => this.entryOf(tensor),
      add: (entry, shape, dtype) => this.#add(entry, shape, dtype),
      lend: (entry, shape, dtype) => this.#lend(entry, shape, dtype),
      takeBack: ({ dataId }) => this.#data.delete(dataId),
      discard: (tensor) => {
        const entry = this.entryOf(tensor);
        this.#pending.delete(entry);
        this.#data.delete(tensor.dataId);
        entry.laid = undefined;
      },
      release: (entry) => this.#release(entry),
    };
    this.#tracer = new Tracer(store, this.#executor);
  }

  /** Where graphs run; undefined for the CPU. */
  get device(): Device | undefined {
    return this.#device;
  }

  /** Runs what is pending, and everything that is recorded from now on there. Tensors stay valid. */
  useDevice(device: Device | undefined, precision: Precision = "32-true"): void {
    if (device === this.#device && precision === this.#precision) return;
    this.flush();
    this.#tracer.forget();
    this.#executor.useDevice(device, precision);
    this.#device = device;
    this.#precision = precision;
  }

  /** Traces every graph from now on, or with undefined no longer. */
  setProfile(profile: Profile | undefined): void {
    this.flush();
    this.#tracer.forget();
    this.#executor.setProfile(profile);
  }

  /** Makes a kernel call, which `lower` records unless it can be replayed. Undefined if `lower` gives nothing. */
  call(
    kernelName: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: Readonly<Record<string, unknown>>,
    lower: Lower,
  ): Lowered | undefined {
    if (!this.#isExporting) return this.#tracer.call(kernelName, inputs, attributes, lower);
    return during({ kernelName, inputs: typesOf(inputs) }, () => lower(inputs, ownCopy(attributes)));
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: tf.DataId,
    values: tf.BackendValues | null,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (dtype === "string" || dtype === "complex64") {
      this.#data.set(dataId, { host: this.cpu.write(values!, shape, dtype), references });
      return;
    }
    const value = new Value(shape, dtype);
    value.array = OrtArray.wrap(dtype, (values ?? new Float32Array(0)) as Float32Array, shape);
    this.#data.set(dataId, new Entry({ value, order: undefined }, references));
  }

  /** An array that enters a graph as an input and differs from step to step: it would else make a new graph of each. */
  feed(data: Float32Array | Int32Array, shape: readonly number[]): Value {
    const type = data instanceof Int32Array ? "int32" : "float32";
    const value = new Value(shape, type);
    value.array = OrtArray.wrap(type, data, shape);
    return value;
  }

  /** As `feed`, for an array that follows from the attributes and shapes of the call that is being lowered. */
  table(data: Float32Array | Int32Array, shape: readonly number[]): Value {
    const value = this.feed(data, shape);
    this.#tracer.keep(value);
    return value;
  }

  /** A tensor over bytes, which TF.js has no type for: for the lowering that casts them, and nothing else. */
  writeBytes(data: Uint8Array, shape: readonly number[]): tf.TensorInfo {
    const value = new Value(shape, "uint8");
    value.array = OrtArray.wrap("uint8", data, shape);
    return this.#add(new Entry({ value, order: undefined }, 1), shape, "uint8" as tf.DataType);
  }

  /** @throws EngineError `ERR_ENGINE_DTYPE` for types that graphs do not know */
  entryOf(tensor: tf.TensorInfo): Entry {
    const entry = this.#data.get(tensor.dataId);
    if ("host" in entry) {
      throw new EngineError(
        "ERR_ENGINE_DTYPE",
        `A ${tensor.dtype} tensor of shape [${tensor.shape.join(", ")}] cannot enter a graph. Cast it to float32, int32 or bool.`,
      );
    }
    return entry;
  }

  /** Notes that a tensor is a parameter or a buffer of a module, a constant as long as it is not trained. */
  markWeight(tensor: tf.TensorInfo): void {
    const { laid } = this.entryOf(tensor);
    if (laid?.value.array !== undefined) laid.value.isWeight = true;
  }

  /** Has a result that is still to be computed put into this array, row-major, if it can be. */
  aim(tensor: tf.TensorInfo, target: OrtArray): void {
    const entry = this.entryOf(tensor);
    const { order, blocked = false } = entry.awaited ?? entry.laid!;
    if (order === undefined && !blocked && !entry.isComputed) entry.target = target;
  }

  /** The memory of a tensor that lies there row-major, computed or being computed; undefined for any other. */
  rowMajorData(tensor: tf.TensorInfo): OrtArray["data"] | undefined {
    const { laid } = this.entryOf(tensor);
    if (laid === undefined || laid.order !== undefined || laid.blocked === true) return undefined;
    return laid.value.array?.data;
  }

  /**
   * Copies a tensor, row-major, into an array, unless it lies there. Runs what is pending if that is needed.
   * @param isFresh whether nothing that runs in the background can be using the array
   */
  copyInto(tensor: tf.TensorInfo, target: OrtArray, isFresh = false): void {
    if (this.entryOf(tensor).laid?.value.array === target) return;
    if (!isFresh) joinBackground();
    (target.data as Float32Array).set(this.readSync(tensor.dataId) as Float32Array);
  }

  /**
   * Compiles a function of vectors of one length, whatever that is, which works element by element.
   * @returns the session, and for each of its inputs the number of the vector, or the value of a number
   */
  compileElementwise(count: number, f: (vectors: tf.Tensor[]) => tf.Tensor[]) {
    const values = Array.from({ length: count }, () => new Value([PLACEHOLDER_LENGTH], "float32"));
    return this.#tracer.apart(() => {
      tf.engine().startScope();
      try {
        const vectors = values.map((value) =>
          tf.engine().makeTensorFromTensorInfo(this.output(value, value.shape, "float32")),
        );
        const roots = f(vectors).map((tensor) => this.value(tensor));
        return this.#executor.compileElementwise(values, roots);
      } finally {
        tf.engine().endScope();
      }
    });
  }

  /** Runs a session of `compileElementwise` several times, on pieces of arrays, once the values that it needs are computed. */
  runPieces(session: Session, pieces: readonly RunArrays[], needed: readonly Value[]): void {
    this.#executor.runPieces(session, pieces, needed);
  }

  /**
   * The graph of a function, in the ONNX standard's own operators. Its inputs have no values: only shape and type count.
   *
   * @param inputs under the names that they have in the graph. The function gets uint8 as float32, and int64 as int32.
   * @param f synchronous; its results have the names of the graph's outputs
   * @param weights arrays that keep their names in the graph
   * @throws EngineError `ERR_ONNX_EXPORT` where the function reads a value that depends on its inputs
   */
  recordGraph(
    inputs: Readonly<Record<string, RecordedInput>>,
    f: (inputs: Record<string, tf.Tensor>) => Readonly<Record<string, tf.Tensor>>,
    weights: Readonly<Record<string, tf.TensorInfo>>,
  ): RecordedGraph {
    this.flush();
    const given = Object.entries(inputs).map(([name, { shape, dtype }]) => ({
      name,
      value: new Value([...shape], dtype),
    }));
    this.#isExporting = true;
    tf.engine().startScope();
    try {
      return this.#tracer.apart(() => {
        const tensors = given.map(({ name, value }) => {
          const cast = castTo(value, TENSOR_TYPES[value.type] ?? value.type);
          return [
            name,
            tf.engine().makeTensorFromTensorInfo(this.output(cast, value.shape, cast.type)),
          ] as const;
        });
        const outputs = Object.entries(f(Object.fromEntries(tensors)));
        const named = outputs.map(([name, tensor]) => ({ name, value: this.value(tensor) }));
        const names = Object.entries(weights).map(([name, tensor]) => ({ name, value: this.value(tensor) }));
        return recordedGraph(given, named, names);
      });
    } finally {
      tf.engine().endScope();
      this.#isExporting = false;
    }
  }

  /** Records an operator as it is, for a graph that is recorded for a model. */
  recordOperator(
    operator: string,
    inputs: readonly tf.TensorInfo[],
    outputs: readonly tf.TensorInfo[],
    attributes: Attributes,
  ): tf.TensorInfo[] {
    const types = outputs.map(({ shape, dtype }) => ({ shape, type: dtype as ValueType }));
    const values = emitAll(
      operator,
      inputs.map((input) => this.value(input)),
      types,
      attributes,
    );
    return values.map((value) => this.output(value, value.shape, value.type));
  }

  /** Whether what is recorded now is for others to run, who know the ONNX standard's operators alone. */
  get isExporting(): boolean {
    return this.#isExporting;
  }

  /** The value behind a tensor, and the order of its axes in memory. */
  laid(tensor: tf.TensorInfo): Laid {
    return unblocked(this.laidMaybeBlocked(tensor));
  }

  /** As `laid`, for the lowerings that can work on a picture whose channels lie in blocks. */
  laidMaybeBlocked(tensor: tf.TensorInfo): Laid {
    const entry = this.entryOf(tensor);
    if (entry.laid === undefined) this.#tracer.record();
    // Blocks that the CPU has made before are of no use to a device.
    return this.blockSize() > 0 ? entry.laid! : unblocked(entry.laid!);
  }

  /** Channels in a block of a blocked picture, 0 where there are no kernels for them: on a device, and in float16. */
  blockSize(): number {
    return this.#device === undefined && this.#precision === "32-true" && !this.#isExporting
      ? blockSize()
      : 0;
  }

  /** The value behind a tensor with its axes in the wanted order, row-major unless told. */
  value(tensor: tf.TensorInfo, order?: Order): Value {
    return inOrder(this.laid(tensor), order);
  }

  /** A new tensor over a value of the graph. */
  output(
    value: Value,
    shape: readonly number[],
    dtype: ValueType,
    order?: Order,
    blocked = false,
  ): tf.TensorInfo {
    return this.#add(
      new Entry({ value, order: simplifyOrder(order), blocked }, 1),
      shape,
      dtype as tf.DataType,
    );
  }

  /** Adopts a tensor of TF.js's cpu backend. */
  adopt(tensor: tf.TensorInfo): tf.TensorInfo {
    if (tensor.dtype === "string" || tensor.dtype === "complex64") {
      const dataId = {};
      this.#data.set(dataId, { host: tensor.dataId, references: 1 });
      return { dataId, shape: tensor.shape, dtype: tensor.dtype };
    }
    // Some of its kernels give int32 in an array of another type.
    const values = tf.util.toTypedArray(this.cpu.readSync(tensor.dataId), tensor.dtype);
    return {
      dataId: this.write(values, tensor.shape, tensor.dtype),
      shape: tensor.shape,
      dtype: tensor.dtype,
    };
  }

  /** The tensor as TF.js's cpu backend sees it. The caller disposes it there unless it is `borrowed`. */
  lend(tensor: tf.TensorInfo): { tensor: tf.TensorInfo; borrowed: boolean } {
    const entry = this.#data.get(tensor.dataId);
    if ("host" in entry) return { tensor: { ...tensor, dataId: entry.host }, borrowed: true };
    const dataId = this.cpu.write(this.readSync(tensor.dataId), tensor.shape, tensor.dtype);
    return { tensor: { ...tensor, dataId }, borrowed: false };
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    const entry = this.#data.get(dataId);
    if ("host" in entry) return this.cpu.readSync(entry.host);
    const value = this.#compute(entry);
    if (value.isMutable || value.run?.isOver === false) joinBackground();
    return elementsOf(value);
  }

  /** As `readSync`, while the event loop goes on. The numbers are those of the moment of the call. */
  override async read(dataId: tf.DataId): Promise<tf.BackendValues> {
    const entry = this.#data.get(dataId);
    if ("host" in entry) return this.cpu.readSync(entry.host);
    const { result: value } = this.#executor.inBackground(() => this.#compute(entry));
    if (value.isMutable)
      joinBackground(); // an update in place may change it meanwhile: it is copied now
    else if (value.run?.isOver === false) {
      value.holders++;
      await value.run.over;
      value.holders--;
    }
    const elements = elementsOf(value);
    if (value.holders === 0) this.#executor.release(value);
    return elements;
  }

  /** Calls `f`, which records a step, and runs everything pending; the event loop goes on while it is computed. */
  async runStep<T>(f: () => T): Promise<T> {
    const { result, runs } = this.#executor.inBackground(() => {
      const result = f();
      this.flush();
      return result;
    });
    for (const run of runs) await run.over;
    const failed = runs.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error!;
    return result;
  }

  /** The value of an entry, row-major, with an array that is filled or that a run in the background fills. */
  #compute(entry: Entry): Value {
    if (entry.awaited !== undefined) {
      const { order, blocked } = entry.awaited;
      if (order === undefined && !blocked) this.flush();
      else this.#tracer.record();
    }
    const laid = entry.laid!;
    const value = inOrder(unblocked(laid), undefined);
    if (value !== laid.value) {
      entry.laid = { value, order: undefined };
      entry.result = undefined;
    }
    if (value.array === undefined) {
      if (this.#isExporting) throw readsWhileExporting();
      this.#pending.add(entry);
      this.flush();
    }
    return value;
  }

  /** Runs everything pending, or begins to in a step or a read that goes on in the background. */
  flush(): void {
    this.#executor.catchUp();
    const pending = this.#pending;
    this.#pending = new Set();
    if (pending.size === 0) return this.#tracer.begin();
    if (this.#tracer.replay(pending)) return;
    const roots = new Map<Value, number>();
    const outputs = new Map<Entry, number>();
    for (const entry of pending) {
      const { value } = entry.laid!;
      if (value.node === undefined) continue;
      value.target ??= entry.target;
      entry.target = undefined;
      if (!roots.has(value)) roots.set(value, roots.size);
      outputs.set(entry, roots.get(value)!);
    }
    if (roots.size === 0) return this.#tracer.begin();
    try {
      const { graph, feeds } = this.#executor.run([...roots.keys()]);
      this.#tracer.remember(graph, feeds, outputs);
    } catch (error) {
      this.#tracer.begin();
      throw error;
    }
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.references--;
    if (!force && entry.references > 0) return false;
    if ("host" in entry) this.cpu.disposeData(entry.host);
    else this.#release(entry);
    this.#data.delete(dataId);
    return true;
  }

  /** An entry that nobody refers to by a tensor; a call that is replayed may still need what it stands for. */
  #release(entry: Entry): void {
    this.#pending.delete(entry);
    const value = entry.laid?.value;
    if (value === undefined || entry.result !== undefined) return;
    entry.laid = undefined;
    if (value.holders === 0) this.#executor.release(value);
  }

  override incRef(dataId: tf.DataId): void {
    this.#data.get(dataId).references++;
  }

  override refCount(dataId: tf.DataId): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).references : 0;
  }

  override numDataIds(): number {
    return this.#data.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(f: () => void): Promise<tf.BackendTimingInfo> {
    this.flush();
    const start = performance.now();
    f();
    this.flush();
    return { kernelMs: performance.now() - start };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  #add(entry: Entry, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
    if (!entry.isComputed) this.#pending.add(entry);
    return this.#lend(entry, shape, dtype);
  }

  #lend(entry: Entry, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
    const dataId = {};
    this.#data.set(dataId, entry);
    return { dataId, shape: shape as number[], dtype };
  }

  override dispose(): void {
    this.#executor.dispose();
  }
}

/** What a call is made on, for messages. */
function typesOf(inputs: Record<string, tf.TensorInfo | null | undefined>): KernelCall["inputs"] {
  return Object.entries(inputs).flatMap(([name, tensor]) =>
    tensor == null ? [] : [{ name, shape: tensor.shape, dtype: tensor.dtype }],
  );
}

function elementsOf(value: Value): Float32Array {
  if (value.run?.error !== undefined) throw value.run.error;
  const array = value.array!;
  if (value.isMutable) return array.data.slice() as Float32Array;
  if (array.device === undefined) value.isPooled = false; // the caller may keep the array
  return array.data as Float32Array;
}

function readsWhileExporting(): EngineError {
  return new EngineError(
    "ERR_ONNX_EXPORT",
    "The function that is exported reads a value which depends on its input, and the model would have that value for " +
      "every input. Compute it with TF.js operators; those listed in kernels/fallbacks.ts have no ONNX form.",
  );
}
