/** Sparse tensors as dense ones. */
import { OnnxError } from "../../errors.js";
import { alignmentOf, arrayOver, bytesOf, sizeOf } from "./element_types.js";
import type { OnnxSparseTensor, OnnxTensor } from "./model.js";

/** A few bytes can say that a tensor is of any size. */
const MAX_BYTES = 2 ** 30;

/**
 * The tensor with its zeros.
 *
 * @throws OnnxError `ERR_ONNX_DAMAGED` for places outside of it, types that cannot be sparse, and more than 1 GiB
 */
export function densify({ values, indices, shape }: OnnxSparseTensor, name: string): OnnxTensor {
  const size = sizeOf(shape);
  const damaged = (problem: string) =>
    new OnnxError(
      "ERR_ONNX_DAMAGED",
      `The sparse tensor ${JSON.stringify(name)} of shape [${shape.join(", ")}] cannot be used: ${problem}.`,
    );
  const width = alignmentOf(values.type);
  const isWhole = Array.isArray(values.data) || bytesOf(values.type, 1) !== width;
  if (isWhole || values.data instanceof Array) throw damaged(`its values are of type ${values.type}`);
  const bytes = bytesOf(values.type, size);
  if (!(bytes <= MAX_BYTES)) throw damaged(`it would take ${bytes} bytes`);
  const output = new Uint8Array(bytes);
  const source = new Uint8Array(values.data.buffer, values.data.byteOffset, values.data.byteLength);
  const places = indices.data as BigInt64Array;
  const rank = indices.shape.length === 1 ? 1 : shape.length;
  for (let i = 0; i < values.shape[0]!; i++) {
    let place = Number(places[i * rank]);
    for (let axis = 1; axis < rank; axis++) place = place * shape[axis]! + Number(places[i * rank + axis]);
    if (!(place >= 0 && place < size)) throw damaged(`it has a value at ${place}`);
    output.set(source.subarray(i * width, (i + 1) * width), place * width);
  }
  return { name, type: values.type, shape: [...shape], data: arrayOver(values.type, output), docString: "" };
}
