/** The numbers of a tensor's array, whichever type holds them. */
import { OnnxError } from "../../errors.js";
import type { OnnxTensor } from "./model.js";
import { sizeOf } from "./element_types.js";

/** Whether a tensor is of real numbers, rather than strings or complex ones. */
export function isNumeric({ type }: Pick<OnnxTensor, "type">): boolean {
  return type !== "string" && type !== "complex64" && type !== "complex128";
}

/**
 * Every element as a number. float32 arrays are given as they are.
 *
 * @throws OnnxError `ERR_ONNX_TYPE` for types that are not of real numbers: strings and complex numbers
 */
export function numbersOf({ name, type, shape, data }: OnnxTensor): ArrayLike<number> {
  if (Array.isArray(data) || !isNumeric({ type })) {
    throw new OnnxError(
      "ERR_ONNX_TYPE",
      `The tensor ${JSON.stringify(name)} is of type ${type}, which cannot be computed with. Models of real numbers can.`,
    );
  }
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  switch (type) {
    case "float16":
      return decodeAll(data as Uint16Array, smallFloat(5, 10));
    case "bfloat16":
      return decodeAll(data as Uint16Array, smallFloat(8, 7));
    case "float8e4m3fn":
      return decodeAll(data as Uint8Array, float8e4m3fn);
    case "float8e4m3fnuz":
      return decodeAll(data as Uint8Array, float8WithoutNegativeZero(4, 3));
    case "float8e5m2":
      return decodeAll(data as Uint8Array, smallFloat(5, 2));
    case "float8e5m2fnuz":
      return decodeAll(data as Uint8Array, float8WithoutNegativeZero(5, 2));
    case "uint4":
      return unpack(data as Uint8Array, sizeOf(shape), (bits) => bits);
    case "int4":
      return unpack(data as Uint8Array, sizeOf(shape), (bits) => (bits < 8 ? bits : bits - 16));
    case "float4e2m1":
      return unpack(data as Uint8Array, sizeOf(shape), (bits) => FLOAT4[bits]!);
    default:
      return data;
  }
}

/** float4e2m1 has eight values of either sign. */
const FLOAT4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
FLOAT4.push(...FLOAT4.map((value) => -value));

function unpack(bytes: Uint8Array, size: number, decode: (bits: number) => number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => {
    const byte = bytes[i >> 1]!;
    return decode(i % 2 === 0 ? byte & 15 : byte >> 4);
  });
}

/** Few bits have few values: they are looked up. */
function decodeAll(bits: Uint8Array | Uint16Array, decode: (bits: number) => number): Float32Array {
  const known = new Float32Array(2 ** (8 * bits.BYTES_PER_ELEMENT));
  const isKnown = new Uint8Array(known.length);
  const output = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    if (isKnown[value] === 0) {
      known[value] = decode(value);
      isKnown[value] = 1;
    }
    output[i] = known[value]!;
  }
  return output;
}

/** IEEE 754's scheme with any number of exponent and mantissa bits. */
function smallFloat(exponentBits: number, mantissaBits: number): (bits: number) => number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const highest = 2 ** exponentBits - 1;
  return (bits) => {
    const sign = (bits >> (exponentBits + mantissaBits)) & 1 ? -1 : 1;
    const exponent = (bits >> mantissaBits) & highest;
    const fraction = (bits & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
    if (exponent === highest) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  };
}

/** Without infinities: the highest exponent has numbers, and only all ones are NaN. */
function float8e4m3fn(bits: number): number {
  if ((bits & 0x7f) === 0x7f) return NaN;
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const fraction = (bits & 7) / 8;
  return sign * (exponent === 0 ? fraction * 2 ** -6 : (1 + fraction) * 2 ** (exponent - 7));
}

/** The pattern of negative zero is the one NaN, and the bias is higher by one. */
function float8WithoutNegativeZero(exponentBits: number, mantissaBits: number): (bits: number) => number {
  const bias = 2 ** (exponentBits - 1);
  return (bits) => {
    if (bits === 0x80) return NaN;
    const sign = bits & 0x80 ? -1 : 1;
    const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
    const fraction = (bits & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  };
}
