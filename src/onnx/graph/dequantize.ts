/** Weights that a file keeps in few bits, as the floats that they stand for: those can be trained. */
import { OnnxError } from "../../errors.js";
import { sizeOf } from "../format/element_types.js";
import type { OnnxTensor } from "../format/model.js";
import { numbersOf } from "../format/numbers.js";
import { describeNode } from "../operators/context.js";
import type { FlatConstant, FlatModel, FlatNode } from "./flatten.js";

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
  const nodes = model.graph.nodes.filter((node) => {
    const [x, scale, zeroPoint] = node.inputs.map((name) => constants.get(name)?.tensor);
    const isWhole = (node.inputs[2] ?? "") === "" || zeroPoint !== undefined;
    if (node.operator !== "DequantizeLinear" || x === undefined || scale === undefined || !isWhole)
      return true;
    const plain = x.name.replace(SUFFIX, "");
    const name = names.has(plain) && plain !== x.name ? x.name : plain;
    const data = dequantize(node, x, scale, zeroPoint);
    const tensor: OnnxTensor = { name, type: "float32", shape: x.shape, data, docString: "" };
    const constant: FlatConstant = { tensor, origin: "initializer" };
    constants.set(node.outputs[0]!, constant);
    return false;
  });
  return { ...model, graph: { ...model.graph, nodes }, constants };
}

/** (x - zero point) · scale, with one scale for all, for each place along an axis, or for each block along it. */
function dequantize(
  node: FlatNode,
  x: OnnxTensor,
  scale: OnnxTensor,
  zeroPoint: OnnxTensor | undefined,
): Float32Array {
  const [numbers, scales] = [numbersOf(x), numbersOf(scale)];
  const zeros = zeroPoint === undefined ? undefined : numbersOf(zeroPoint);
  const placeOf = placesOfScales(node, x.shape, scale.shape);
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
