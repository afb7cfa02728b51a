/** Weights that a file keeps in few bits, as the floats that they stand for: those can be trained. */
import { OnnxError } from "../../errors.js";
import { sizeOf } from "../format/element_types.js";
import type { OnnxTensor } from "../format/model.js";
import { isNumeric, numbersOf } from "../format/numbers.js";
import { describeNode } from "../operators/context.js";
import type { FlatModel, FlatNode } from "./flatten.js";

/** What ONNX Runtime's quantizer appends to the name of a weight. */
const SUFFIX = /_quantized$/;

/**
 * Computes every `DequantizeLinear` of a constant. The floats have the name that the weight had before it was quantized, as
 * far as it is free.
 *
 * @throws OnnxError `ERR_ONNX_NODE` where shapes do not fit
 */
export function dequantizeConstants(model: FlatModel): FlatModel {
  const constants = new Map(model.constants);
  const names = new Set([...constants.values()].map(({ tensor }) => tensor.name));
  const arrayOf = (value: string | undefined): KnownArray | undefined => {
    if (value === undefined) return undefined;
    const tensor = constants.get(value)?.tensor;
    if (tensor !== undefined) {
      return isNumeric(tensor)
        ? { name: tensor.name, shape: tensor.shape, numbers: numbersOf(tensor) }
        : undefined;
    }
    const host = model.computed.get(value);
    return host && { name: value, shape: [...host.shape], numbers: host.data };
  };
  const nodes = model.graph.nodes.filter((node) => {
    if (node.operator !== "DequantizeLinear") return true;
    const [x, scale, zeroPoint] = node.inputs.map(arrayOf);
    const isWhole = (node.inputs[2] ?? "") === "" || zeroPoint !== undefined;
    if (x === undefined || scale === undefined || !isWhole) return true;
    const plain = x.name.replace(SUFFIX, "");
    const name = names.has(plain) && plain !== x.name ? x.name : plain;
    const data = dequantize(node, x, scale, zeroPoint);
    const tensor: OnnxTensor = { name, type: "float32", shape: x.shape, data, docString: "" };
    constants.set(node.outputs[0] ?? "", { tensor, origin: "initializer" });
    return false;
  });
  return { ...model, graph: { ...model.graph, nodes }, constants };
}

/** An array that is known, under the name that messages and parameters have. */
interface KnownArray {
  name: string;
  shape: number[];
  numbers: ArrayLike<number>;
}

/** (x - zero point) · scale, with one scale for all, for each place along an axis, or for each block along it. */
function dequantize(
  node: FlatNode,
  { numbers, shape }: KnownArray,
  { numbers: scales, shape: scaleShape }: KnownArray,
  zeroPoint: KnownArray | undefined,
): Float32Array {
  const zeros = zeroPoint?.numbers;
  const placeOf = placesOfScales(node, shape, scaleShape);
  return Float32Array.from({ length: numbers.length }, (_, i) => {
    const place = placeOf(i);
    return (numbers[i]! - (zeros?.[place] ?? 0)) * scales[place]!;
  });
}

/** Which scale belongs to an element. */
function placesOfScales(
  node: FlatNode,
  shape: readonly number[],
  scaleShape: readonly number[],
): (index: number) => number {
  if (sizeOf(scaleShape) === 1) return () => 0;
  const attribute = (name: string, fallback: number) => {
    const found = node.attributes.get(name);
    return found?.kind === "int" ? Number(found.value) : fallback;
  };
  const given = attribute("axis", 1);
  const axis = given < 0 ? given + shape.length : given;
  const block = attribute("block_size", 0);
  const length = shape[axis] ?? 0;
  const inner = sizeOf(shape.slice(axis + 1));
  if (block === 0 && sizeOf(scaleShape) === length) return (i) => Math.floor(i / inner) % length;
  const blocks = scaleShape[axis] ?? 0;
  const expected = shape.map((size, other) => (other === axis ? Math.ceil(length / block) : size));
  if (block > 0 && expected.join() === scaleShape.join()) {
    return (i) => {
      const place = Math.floor(i / inner) % length;
      const outer = Math.floor(i / (inner * length));
      return (outer * blocks + Math.floor(place / block)) * inner + (i % inner);
    };
  }
  throw new OnnxError(
    "ERR_ONNX_NODE",
    `${describeNode(node)} is not valid: scales of shape [${scaleShape.join(", ")}] do not fit [${shape.join(", ")}].`,
  );
}
