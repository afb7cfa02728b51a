/** Arrays that JavaScript and ONNX Runtime share: both read and write the same memory, so nothing is copied. */
import { EngineError } from "../../errors.js";
import { joinBackground } from "./background.js";
import { addressOf, check, copyBytes, ortApi, receive, type Pointer } from "./api.js";
import { arrayType, elementTypeOf, onnxType, type ElementArray, type ElementType } from "./element_type.js";
import type { Device } from "./device.js";
import { environment } from "./environment.js";

/** Releases the handles of arrays that nobody has disposed of. */
const abandoned = new FinalizationRegistry<{ handle: Pointer; isOnDevice: boolean }>((array) =>
  releaseValue(array.handle, array.isOnDevice),
);

/** Arrays that were copied from devices, and their bytes, since somebody set them to zero. */
export const transfers = { downloads: 0, downloadedBytes: 0 };

/** ONNX Runtime wants an address even where there are no elements. */
const NO_ELEMENTS = new Uint8Array(new ArrayBuffer(8));

/**
 * A dense array in row-major order. On the CPU its memory lies outside V8's heap and never moves, and lives as long as this
 * object or `data` does. On a device it lives as long as this object, or until `dispose()`.
 */
export class OrtArray<T extends ElementType = ElementType> {
  readonly type: T;
  readonly shape: readonly number[];
  /** Where the memory is; undefined for the CPU's. */
  readonly device: Device | undefined;
  /** On a device, a copy that is good until a run writes the array. */
  #data: ElementArray<T> | undefined;
  /** ONNX Runtime's description of this array, made when it is first needed. */
  #handle: Pointer | undefined;
  /** Runs that are using the handle now. */
  #users = 0;
  #disposed = false;
  /** The same memory under another shape, the one that was asked for last. */
  #reshaped: OrtArray<T> | undefined;

  private constructor(type: T, shape: readonly number[], data: ElementArray<T> | undefined, device?: Device) {
    this.type = type;
    this.shape = shape;
    this.#data = data;
    this.device = device;
  }

  /**
   * Shares the memory of a typed array, a view into a SharedArrayBuffer included.
   * @param data Float32Array for float32, Uint8Array for bool and uint8, BigInt64Array for int64, Uint16Array for float16
   * @throws EngineError `ERR_ENGINE_ARRAY` where its kind or length does not fit, or its buffer is resizable
   */
  static wrap<T extends ElementType>(
    type: T,
    data: ElementArray<NoInfer<T>>,
    shape: readonly number[],
  ): OrtArray<T> {
    const expected = arrayType(type);
    const size = sizeOf(shape);
    if (!(data instanceof expected) || data.length !== size) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `An array of ${type} [${shape.join(", ")}] needs a ${expected.name} of ${size} elements, ` +
          `and got ${data.constructor.name} of ${data.length}.`,
      );
    }
    // Reading `buffer` also moves a small array off V8's heap, where the garbage collector would move it about.
    const buffer = data.buffer as ArrayBuffer & { resizable?: boolean; growable?: boolean };
    if (buffer.resizable === true || buffer.growable === true) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `An array of ${type} [${shape.join(", ")}] lies in a buffer that can be resized, which native code ` +
          "cannot hold on to. Copy it into one of a fixed size.",
      );
    }
    return new OrtArray(type, shape, data);
  }

  /** A new array: of zeros, or of whatever is there on a device. One without elements is always the CPU's. */
  static allocate<T extends ElementType>(type: T, shape: readonly number[], device?: Device): OrtArray<T> {
    const TypedArray = arrayType(type);
    const size = sizeOf(shape);
    if (device !== undefined && size > 0) return new OrtArray<T>(type, shape, undefined, device);
    const buffer = new ArrayBuffer(size * TypedArray.BYTES_PER_ELEMENT);
    return new OrtArray(type, shape, new TypedArray(buffer, 0, size));
  }

  /** The elements. Those of an array on a device are copied from there, once until a run writes the array again. */
  get data(): ElementArray<T> {
    if (this.#data === undefined) {
      const host = OrtArray.allocate(this.type, this.shape);
      copy(this, host);
      host.dispose();
      this.#data = host.data;
      transfers.downloads++;
      transfers.downloadedBytes += host.byteLength;
    }
    return this.#data;
  }

  /** A copy on a device. */
  copyTo(device: Device): OrtArray<T> {
    const array = OrtArray.allocate(this.type, this.shape, device);
    if (array.byteLength > 0) copy(this, array);
    return array;
  }

  /**
   * Part of this array, which must be the CPU's, as an array of its own in the same memory.
   * @param offset elements to skip
   * @throws EngineError `ERR_ENGINE_ARRAY` where it would reach beyond the end
   */
  slice(offset: number, shape: readonly number[]): OrtArray<T> {
    const size = sizeOf(shape);
    if (this.device !== undefined) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `An array on ${this.device.name} has no slices. Slice it in a graph.`,
      );
    }
    const { data } = this;
    if (!Number.isInteger(offset) || offset < 0 || offset + size > data.length) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `[${shape.join(", ")}] at element ${offset} is not inside an array of ${data.length} elements.`,
      );
    }
    const TypedArray = arrayType(this.type);
    const byteOffset = data.byteOffset + offset * TypedArray.BYTES_PER_ELEMENT;
    return new OrtArray(this.type, shape, new TypedArray(data.buffer, byteOffset, size));
  }

  /** The memory of this array, which must be the CPU's unless the shape is its own, under another shape. */
  under(shape: readonly number[]): OrtArray<T> {
    if (isSame(shape, this.shape)) return this;
    if (this.#reshaped === undefined || !isSame(shape, this.#reshaped.shape)) {
      this.#reshaped?.dispose();
      this.#reshaped = this.slice(0, shape);
    }
    return this.#reshaped;
  }

  /** Bytes of memory. */
  get byteLength(): number {
    return sizeOf(this.shape) * arrayType(this.type).BYTES_PER_ELEMENT;
  }

  /**
   * The address of its `OrtValue`, for a run that ends with `release`.
   * @throws EngineError `ERR_ENGINE_ARRAY` where it is disposed, or its buffer was transferred to another thread
   */
  acquire(): Pointer {
    if (this.#disposed) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `An array of ${this.type} [${this.shape.join(", ")}] was used after dispose().`,
      );
    }
    this.#handle ??= this.#describe();
    if (this.#data?.length === 0 && sizeOf(this.shape) > 0) {
      throw new EngineError(
        "ERR_ENGINE_ARRAY",
        `The memory of an array of ${this.type} [${this.shape.join(", ")}] was transferred to another thread. ` +
          "Copy it there, or put it into a SharedArrayBuffer.",
      );
    }
    this.#users++;
    return this.#handle;
  }

  /** Ends the use that `acquire` began, in a run that has written the array or has only read it. */
  release(written = false): void {
    if (written && this.device !== undefined) this.#data = undefined;
    this.#users--;
    if (this.#disposed && this.#users === 0) this.#releaseHandle();
  }

  /** Lets go of what ONNX Runtime holds for it, at the end of the runs that use it now. `data` stays valid. */
  dispose(): void {
    this.#disposed = true;
    this.#reshaped?.dispose();
    if (this.#users === 0) this.#releaseHandle();
  }

  #describe(): Pointer {
    const { shape, type, device } = this;
    const dimensions = new BigInt64Array(shape.length + 1);
    shape.forEach((length, axis) => (dimensions[axis] = BigInt(length)));
    const api = ortApi();
    if (device !== undefined) joinBackground(); // its memory belongs to one thread at a time
    const handle = receive((out) => {
      if (device !== undefined) {
        return api.createTensorAsOrtValue(device.allocator, dimensions, shape.length, onnxType(type), out);
      }
      const { data } = this;
      return api.createTensorWithDataAsOrtValue(
        environment().cpuMemory,
        addressOf(data.length === 0 ? NO_ELEMENTS : data),
        data.byteLength,
        dimensions,
        shape.length,
        onnxType(type),
        out,
      );
    });
    abandoned.register(this, { handle, isOnDevice: device !== undefined }, this);
    return handle;
  }

  #releaseHandle(): void {
    if (this.#handle === undefined) return;
    abandoned.unregister(this);
    releaseValue(this.#handle, this.device !== undefined);
    this.#handle = undefined;
  }
}

function releaseValue(handle: Pointer, isOnDevice: boolean): void {
  if (isOnDevice) joinBackground();
  ortApi().releaseValue(handle);
}

/** Copies the elements of one array into another, to or from a device. */
function copy(source: OrtArray, target: OrtArray): void {
  joinBackground();
  const handles = new BigUint64Array(new ArrayBuffer(16));
  handles[0] = source.acquire();
  handles[1] = target.acquire();
  try {
    const { environment: env } = environment();
    check(ortApi().copyTensors(env, handles.subarray(0, 1), handles.subarray(1), null, 1));
  } finally {
    source.release();
    target.release(true);
  }
}

/** A copy of an array that ONNX Runtime has allocated, which is released. */
export function takeOrtValue(handle: Pointer): OrtArray {
  const api = ortApi();
  try {
    const { type, shape } = describe(handle);
    const size = sizeOf(shape);
    if (size === 0) return OrtArray.allocate(type, shape);
    const TypedArray = arrayType(type);
    const address = receive((out) => api.getTensorMutableData(handle, out));
    const bytes = copyBytes(address, size * TypedArray.BYTES_PER_ELEMENT);
    return OrtArray.wrap(type, new TypedArray(bytes.buffer, bytes.byteOffset, size), shape);
  } finally {
    api.releaseValue(handle);
  }
}

function describe(handle: Pointer): { type: ElementType; shape: number[] } {
  const api = ortApi();
  const info = receive((out) => api.getTensorTypeAndShape(handle, out));
  try {
    const type = elementTypeOf(Number(receive((out) => api.getTensorElementType(info, out))));
    const axes = Number(receive((out) => api.getDimensionsCount(info, out)));
    const dimensions = new BigInt64Array(axes + 1);
    check(api.getDimensions(info, dimensions, axes));
    return { type, shape: Array.from(dimensions.subarray(0, axes), Number) };
  } finally {
    api.releaseTensorTypeAndShapeInfo(info);
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((length, axis) => length === b[axis]));
}

function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}
