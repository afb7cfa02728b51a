/**
 * What flows between operators while a model is traced: tensors, and numbers that are known on the host. Shapes and what is
 * computed from them are known, so that they can decide shapes again; what follows from the data is not.
 */
import * as tf from "@tensorflow/tfjs-core";
import { OnnxError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { ModuleBuffer } from "../nn/index.js";
import { sizeOf, type OnnxType } from "./format/element_types.js";
import { numbersOf } from "./format/numbers.js";
import type { OnnxTensor } from "./format/model.js";

/** An array on the host, known while tracing. Integers are exact up to 2⁵³; the largest int64 stays the largest. */
export class HostValue {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Row-major; booleans are 0 and 1. */
  readonly data: ArrayLike<number>;
  /** Whether the module keeps it from one forward pass to the next, so that its tensor is worth keeping too. */
  readonly isConstant: boolean;
  #tensor: ModuleBuffer | undefined;

  constructor(type: OnnxType, shape: readonly number[], data: ArrayLike<number>, isConstant = false) {
    if (sizeOf(shape) !== data.length) {
      throw new RangeError(`A value of shape [${shape.join(", ")}] does not hold ${data.length} numbers.`);
    }
    this.type = type;
    this.shape = shape;
    this.data = data;
    this.isConstant = isConstant;
  }

  /** A vector of int64, as operators give shapes. */
  static integers(values: readonly number[]): HostValue {
    return new HostValue("int64", [values.length], values);
  }

  static scalar(value: number, type: OnnxType): HostValue {
    return new HostValue(type, [], [value]);
  }

  /** An array of the model, which is a constant. @throws OnnxError `ERR_ONNX_TYPE` for strings */
  static fromOnnx(tensor: OnnxTensor): HostValue {
    const numbers = numbersOf(tensor);
    // A view of the file would keep all of it in memory.
    return new HostValue(
      tensor.type,
      tensor.shape,
      numbers === tensor.data ? copyOf(numbers) : numbers,
      true,
    );
  }

  /** The same numbers, kept from one forward pass to the next. */
  asConstant(): HostValue {
    return this.isConstant ? this : new HostValue(this.type, this.shape, this.data, true);
  }

  /** float32, int32 or bool; integers beyond int32 become the nearest there is. */
  tensor(): tf.Tensor {
    const host = () => new HostTensor(hostArray(this), this.shape, deviceType(this.type));
    if (this.isConstant) return (this.#tensor ??= new ModuleBuffer(host()));
    const { data, shape } = host();
    return tf.tensor(data, [...shape], deviceType(this.type));
  }
}

/** A list of values, which the operators of sequences make and take apart. */
export class OnnxSequence {
  readonly values: readonly OnnxValue[];
  /** As a value it is one thing. */
  readonly shape: readonly number[] = [];

  constructor(values: readonly OnnxValue[]) {
    this.values = values;
  }
}

/** A tensor, or an array that is known while tracing. */
export type OnnxValue = HostValue | tf.Tensor;

export function isHost(value: OnnxValue): value is HostValue {
  return value instanceof HostValue;
}

/** The value as a tensor: float32, int32 or bool. */
export function toTensor(value: OnnxValue): tf.Tensor {
  return isHost(value) ? value.tensor() : value;
}

/**
 * The numbers of a value that an operator needs to know while it is traced, such as a shape.
 *
 * @param what names the value in the error, as "the shape of Reshape"
 * @throws OnnxError `ERR_ONNX_DYNAMIC` where it is computed from data
 */
export function toHost(value: OnnxValue, what: string): HostValue {
  if (isHost(value)) return value;
  throw new OnnxError(
    "ERR_ONNX_DYNAMIC",
    `${what} is computed from the model's data, but must be known before the graph runs: it may depend on shapes and ` +
      "constants only. Export the model with this value fixed, or cut it off before this node with `outputs` or `features`.",
  );
}

/** The type that a tensor of an ONNX type has on the device. */
export function deviceType(type: OnnxType): "float32" | "int32" | "bool" {
  if (type === "bool") return "bool";
  return type.startsWith("float") || type.startsWith("bfloat") ? "float32" : "int32";
}

/** The ONNX type that a value has as far as it is known: tensors are float32, int32 or bool. */
export function typeOf(value: OnnxValue): OnnxType {
  return isHost(value) ? value.type : value.dtype;
}

function copyOf(numbers: ArrayLike<number>): ArrayLike<number> {
  return (numbers as Float32Array).slice();
}

const [MIN_INT32, MAX_INT32] = [-(2 ** 31), 2 ** 31 - 1];

function hostArray({ type, data }: HostValue): Float32Array | Int32Array | Uint8Array {
  const target = deviceType(type);
  if (target === "float32") return data instanceof Float32Array ? data : Float32Array.from(data);
  if (target === "bool") return Uint8Array.from(data);
  return Int32Array.from(data, (value) => Math.min(MAX_INT32, Math.max(MIN_INT32, value)));
}
