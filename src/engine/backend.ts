/**
 * The TF.js backend `onnxruntime`. Its kernels record operators in a lazy graph (as LazyTensor does for PyTorch); reading
 * a value, or the Trainer at the end of a step, compiles and runs everything that is pending.
 */
import * as tf from "@tensorflow/tfjs-core";
import { Executor } from "./graph/executor.js";
import { Value, type ValueType } from "./graph/value.js";
import { blockSize } from "./blocked/block_size.js";
import { unblocked } from "./blocked/layout.js";
import { Entry } from "./graph/entry.js";
import { exportGraph } from "./graph/export_graph.js";
import type { Profile } from "./graph/profiling.js";
import { Tracer, type EntryStore, type Lowered } from "./graph/tracer.js";
import { inOrder, simplifyOrder, type Laid, type Order } from "./layout.js";
import { OrtArray, type Device } from "./runtime/index.js";
import { EngineError } from "../errors.js";
import { newStats } from "./stats.js";
import { createFallbackBackend } from "./fallback_cpu.js";

export const BACKEND_NAME = "onnxruntime";

/** Any length will do for the vectors of an elementwise graph, but 1, which broadcasts. */
const PLACEHOLDER_LENGTH = 1024;

/** Compiled graphs to keep. A training run needs a handful; each holds its own memory. */
const MAX_SESSIONS = 64;

/** Types that ONNX has no use for here live in TF.js's cpu backend. */
interface HostEntry {
  host: tf.DataId;
  references: number;
}

export class OnnxRuntimeBackend extends tf.KernelBackend {
  readonly stats = newStats();
  readonly cpu = createFallbackBackend();
  readonly #executor = new Executor(this.stats, MAX_SESSIONS);
  readonly #data: tf.DataStorage<Entry | HostEntry>;
  /** Entries whose array is not computed yet and that somebody still refers to. */
  readonly #pending = new Set<Entry>();
  readonly #tracer: Tracer;
  #device: Device | undefined;
  /** While a function is recorded for an ONNX model, and its inputs have no values. */
  #isExporting = false;

  constructor() {
    super();
    this.#data = new tf.DataStorage(this, tf.engine());
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
  useDevice(device: Device | undefined): void {
    if (device === this.#device) return;
    this.flush();
    this.#tracer.forget();
    this.#executor.useDevice(device);
    this.#device = device;
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
    lower: (inputs: Record<string, tf.TensorInfo>) => Lowered | undefined,
  ): Lowered | undefined {
    return this.#tracer.call(kernelName, inputs, attributes, lower);
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

  /** Copies a tensor, row-major, into an array, unless it lies there. Runs what is pending if that is needed. */
  copyInto(tensor: tf.TensorInfo, target: OrtArray): void {
    const { array } = this.entryOf(tensor).laid?.value ?? {};
    if (array === target) return;
    (target.data as Float32Array).set(this.readSync(tensor.dataId) as Float32Array);
  }

  /**
   * Compiles a function of vectors of one length, whatever that is, which works element by element.
   * @returns the session, and for each of its inputs the number of the vector, or the array of a number
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

  /**
   * The graph of a function as an ONNX model that plain ONNX Runtime runs: pictures are in no blocks, and every array that
   * the function reads is a constant of the model.
   *
   * @param samples what the function is called with, under the names of the model's inputs; only shape and type count
   * @param f synchronous; its results have the names of the model's outputs
   * @param weights arrays that keep their names in the model
   * @throws EngineError `ERR_ONNX_EXPORT` where the function reads a value that depends on its inputs
   */
  exportModel(
    samples: Readonly<Record<string, tf.TensorInfo>>,
    f: (inputs: Record<string, tf.Tensor>) => Readonly<Record<string, tf.Tensor>>,
    weights: Readonly<Record<string, tf.TensorInfo>>,
  ): Uint8Array {
    this.flush();
    const inputs = Object.entries(samples).map(([name, { shape, dtype }]) => ({
      name,
      value: new Value(shape, dtype as ValueType),
    }));
    this.#isExporting = true;
    tf.engine().startScope();
    try {
      return this.#tracer.apart(() => {
        const tensors = inputs.map(({ name, value }) => [
          name,
          tf.engine().makeTensorFromTensorInfo(this.output(value, value.shape, value.type)),
        ]);
        const outputs = Object.entries(f(Object.fromEntries(tensors) as Record<string, tf.Tensor>));
        const named = outputs.map(([name, tensor]) => ({ name, value: this.value(tensor) }));
        const names = Object.entries(weights).map(([name, tensor]) => ({ name, value: this.value(tensor) }));
        return exportGraph(inputs, named, names);
      });
    } finally {
      tf.engine().endScope();
      this.#isExporting = false;
    }
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
    return this.#device === undefined ? entry.laid! : unblocked(entry.laid!);
  }

  /** Channels in a block of a blocked picture, 0 where the device has no kernels for them. */
  blockSize(): number {
    return this.#device === undefined && !this.#isExporting ? blockSize() : 0;
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
    if (value.isMutable) return value.array!.data.slice() as Float32Array;
    if (value.array!.device === undefined) value.isPooled = false; // the caller may keep the array
    return value.array!.data as Float32Array;
  }

  override async read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  /** Runs everything pending. */
  flush(): void {
    const pending = new Set(this.#pending);
    this.#pending.clear();
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
    const { graph, feeds } = this.#executor.run([...roots.keys()]);
    this.#tracer.remember(graph, feeds, outputs);
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
    return this.#data.numDataIds();
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
    return { dataId, shape: [...shape], dtype };
  }

  override dispose(): void {
    this.#executor.dispose();
  }
}

function readsWhileExporting(): EngineError {
  return new EngineError(
    "ERR_ONNX_EXPORT",
    "The function that is exported reads a value which depends on its input, and the model would have that value for " +
      "every input. Compute it with TF.js operators; those listed in kernels/fallbacks.ts have no ONNX form.",
  );
}
