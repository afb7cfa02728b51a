/** ONNX's element types: their numbers in the format, and the arrays that hold them. */

/** Arrays of numbers as tensors have them. */
export type OnnxNumbers =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array;

/** The data of a tensor. Strings are the one type without numbers. */
export type OnnxArray = OnnxNumbers | string[];

interface ArrayType {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): OnnxNumbers;
  readonly BYTES_PER_ELEMENT: number;
}

interface ElementType {
  /** In `TensorProto.DataType`. */
  readonly number: number;
  readonly bits: number;
  /** Undefined for strings. */
  readonly array: ArrayType | undefined;
}

const TYPES = {
  float32: { number: 1, bits: 32, array: Float32Array },
  uint8: { number: 2, bits: 8, array: Uint8Array },
  int8: { number: 3, bits: 8, array: Int8Array },
  uint16: { number: 4, bits: 16, array: Uint16Array },
  int16: { number: 5, bits: 16, array: Int16Array },
  int32: { number: 6, bits: 32, array: Int32Array },
  int64: { number: 7, bits: 64, array: BigInt64Array },
  string: { number: 8, bits: 0, array: undefined },
  bool: { number: 9, bits: 8, array: Uint8Array },
  /** Arrays hold the 16 bits. */
  float16: { number: 10, bits: 16, array: Uint16Array },
  float64: { number: 11, bits: 64, array: Float64Array },
  uint32: { number: 12, bits: 32, array: Uint32Array },
  uint64: { number: 13, bits: 64, array: BigUint64Array },
  /** Arrays hold real and imaginary parts in turn. */
  complex64: { number: 14, bits: 64, array: Float32Array },
  complex128: { number: 15, bits: 128, array: Float64Array },
  bfloat16: { number: 16, bits: 16, array: Uint16Array },
  float8e4m3fn: { number: 17, bits: 8, array: Uint8Array },
  float8e4m3fnuz: { number: 18, bits: 8, array: Uint8Array },
  float8e5m2: { number: 19, bits: 8, array: Uint8Array },
  float8e5m2fnuz: { number: 20, bits: 8, array: Uint8Array },
  /** Two to a byte. */
  uint4: { number: 21, bits: 4, array: Uint8Array },
  int4: { number: 22, bits: 4, array: Uint8Array },
  float4e2m1: { number: 23, bits: 4, array: Uint8Array },
} as const satisfies Record<string, ElementType>;

/** An element type by its name in NumPy and ml_dtypes; float8 types are told apart as ONNX does. */
export type OnnxType = keyof typeof TYPES;

export const ONNX_TYPES = Object.keys(TYPES) as OnnxType[];

const BY_NUMBER = new Map(ONNX_TYPES.map((type) => [TYPES[type].number as number, type]));

/** The type with a number of `TensorProto.DataType`. */
export function typeWithNumber(number: number): OnnxType | undefined {
  return BY_NUMBER.get(number);
}

export function numberOfType(type: OnnxType): number {
  return TYPES[type].number;
}

/** The bytes that `size` elements take; 0 for strings. */
export function bytesOf(type: OnnxType, size: number): number {
  return Math.ceil((size * TYPES[type].bits) / 8);
}

/** The bytes that the start of an array must be a multiple of. */
export function alignmentOf(type: OnnxType): number {
  return TYPES[type].array?.BYTES_PER_ELEMENT ?? 1;
}

/** An array over bytes, which must be aligned. @param type any but string */
export function arrayOver(type: OnnxType, bytes: Uint8Array): OnnxNumbers {
  const Type: ArrayType = TYPES[type].array!;
  const length = bytes.length / Type.BYTES_PER_ELEMENT;
  return new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
}

/** Whether a type is of real numbers with a point. */
export function isFloatType(type: OnnxType): boolean {
  return type === "float32" || type === "float16" || type === "bfloat16" || type === "float64";
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}
