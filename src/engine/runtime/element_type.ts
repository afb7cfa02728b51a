/** The element types of arrays: their numbers in ONNX and the typed arrays that hold them. */
import { EngineError } from "../../errors.js";

/** The arrays that hold each type. float16 is held as its 16 bits. */
interface ElementArrays {
  float32: Float32Array;
  uint8: Uint8Array;
  int8: Int8Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
  float16: Uint16Array;
  uint32: Uint32Array;
}

export type ElementType = keyof ElementArrays;
export type ElementArray<T extends ElementType = ElementType> = ElementArrays[T];

interface ElementArrayType<T extends ElementType> {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ElementArray<T>;
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
}

const ELEMENT_TYPES: {
  readonly [T in ElementType]: { readonly onnx: number; readonly array: ElementArrayType<T> };
} = {
  float32: { onnx: 1, array: Float32Array },
  uint8: { onnx: 2, array: Uint8Array },
  int8: { onnx: 3, array: Int8Array },
  int32: { onnx: 6, array: Int32Array },
  int64: { onnx: 7, array: BigInt64Array },
  bool: { onnx: 9, array: Uint8Array },
  float16: { onnx: 10, array: Uint16Array },
  uint32: { onnx: 12, array: Uint32Array },
};

/** The number of a type in ONNX's `TensorProto.DataType`. */
export function onnxType(type: ElementType): number {
  return ELEMENT_TYPES[type].onnx;
}

/** The kind of typed array that holds a type. */
export function arrayType<T extends ElementType>(type: T): ElementArrayType<T> {
  return ELEMENT_TYPES[type].array;
}

/** @throws EngineError `ERR_ENGINE_TYPE` for a type that the engine has no array for */
export function elementTypeOf(onnx: number): ElementType {
  for (const type in ELEMENT_TYPES) {
    if (ELEMENT_TYPES[type as ElementType].onnx === onnx) return type as ElementType;
  }
  throw new EngineError(
    "ERR_ENGINE_TYPE",
    `A model gives an output of ONNX's element type ${onnx}. The engine reads ${Object.keys(ELEMENT_TYPES).join(", ")}: ` +
      "cast the output to one of them in the model.",
  );
}
