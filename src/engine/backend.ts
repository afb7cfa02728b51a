/**
 * The TF.js backend `onnxruntime`. Its kernels record operators in a lazy graph (as LazyTensor does for PyTorch); reading
 * a value, or the Trainer at the end of a step, compiles and runs everything that is pending.
 */
import * as tf from "@tensorflow/tfjs-core";
import { Executor } from "./graph/executor.js";
import { Value, type ValueType } from "./graph/value.js";
import { inOrder, simplifyOrder, type Laid, type Order } from "./layout.js";
import { ortTensor } from "./runtime.js";
import { newStats } from "./stats.js";
import { createFallbackBackend } from "./fallback_cpu.js";

export const BACKEND_NAME = "onnxruntime";

/** Compiled graphs to keep. A training run needs a handful; each holds its own memory. */
const MAX_SESSIONS = 64;

/** What the backend holds for one TF.js data id. */
interface Entry {
  laid: Laid;
  references: number;
}

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

  constructor() {
    super();
    this.#data = new tf.DataStorage(this, tf.engine());
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
    value.array = ortTensor(dtype, (values ?? new Float32Array(0)) as Float32Array, shape);
    this.#data.set(dataId, { laid: { value, order: undefined }, references });
  }

  /** An array that enters a graph as an input: for what differs from step to step, and would make a new graph of each. */
  feed(data: Float32Array | Int32Array, shape: readonly number[]): Value {
    const type = data instanceof Int32Array ? "int32" : "float32";
    const value = new Value(shape, type);
    value.array = ortTensor(type, data, shape);
    return value;
  }

  /** A float32 tensor from bytes 0 to 255, which travel as bytes and are cast where the graph runs. */
  writeBytes(data: Uint8Array, shape: readonly number[]): Value {
    const value = new Value(shape, "uint8");
    value.array = ortTensor("uint8", data, shape);
    return value;
  }

  /** The value behind a tensor, and the order of its axes in memory. */
  laid(tensor: tf.TensorInfo): Laid {
    const entry = this.#data.get(tensor.dataId);
    if ("host" in entry) throw new Error(`A ${tensor.dtype} tensor cannot enter a graph.`);
    return entry.laid;
  }

  /** The value behind a tensor with its axes in the wanted order, row-major unless told. */
  value(tensor: tf.TensorInfo, order?: Order): Value {
    return inOrder(this.laid(tensor), order);
  }

  /** A new tensor over a value of the graph. */
  output(value: Value, shape: readonly number[], dtype: ValueType, order?: Order): tf.TensorInfo {
    const dataId = {};
    const entry: Entry = { laid: { value, order: simplifyOrder(order) }, references: 1 };
    this.#data.set(dataId, entry);
    if (value.node !== undefined) this.#pending.add(entry);
    return { dataId, shape: [...shape], dtype: dtype as tf.DataType };
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
    entry.laid = { value: inOrder(entry.laid, undefined), order: undefined };
    const { value } = entry.laid;
    if (value.array === undefined) {
      this.#pending.add(entry);
      this.flush();
    }
    return value.array!.data as Float32Array;
  }

  override async read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  /** Runs everything pending. */
  flush(): void {
    const roots = new Set<Value>();
    for (const { laid } of this.#pending) if (laid.value.node !== undefined) roots.add(laid.value);
    this.#pending.clear();
    if (roots.size > 0) this.#executor.run([...roots]);
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.references--;
    if (!force && entry.references > 0) return false;
    if ("host" in entry) this.cpu.disposeData(entry.host);
    else this.#pending.delete(entry);
    this.#data.delete(dataId);
    return true;
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

  override dispose(): void {
    this.#executor.dispose();
  }
}
