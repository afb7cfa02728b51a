/**
 * Gradients that TF.js lacks or has wrong: its maximum, minimum and squared difference forget that an operand was
 * broadcast, its running sum turns the axes round, its mirrored padding drops what was mirrored, its repetition adds copy by
 * copy, those that divide an array do not bear one part, and its products and batched gathers call methods that only the
 * union package adds. They serve every TF.js backend.
 */
import * as tf from "@tensorflow/tfjs-core";
import { parseEinsum } from "./einsum.js";
import type { KernelAttributes } from "./lowering.js";
import { mirrored } from "./slicing.js";

type Gradients = Record<string, () => tf.Tensor>;

interface Definition {
  inputsToSave?: string[];
  outputsToSave?: boolean[];
  saveAllInputs?: boolean;
  gradient: (dy: tf.Tensor[], saved: tf.Tensor[], attributes: KernelAttributes) => Gradients;
}

/** Registers them in the place of TF.js's. */
export function registerGradients(): void {
  for (const [kernelName, { gradient, ...saved }] of Object.entries(definitions)) {
    tf.registerGradient({
      kernelName,
      ...saved,
      gradFunc: (dy, tensors, attributes) => gradient([dy].flat(), tensors, attributes ?? {}),
    });
  }
}

const definitions: Record<string, Definition> = {
  Maximum: pairwise((a, b) => tf.greaterEqual(a, b)),
  Minimum: pairwise((a, b) => tf.lessEqual(a, b)),
  SquaredDifference: {
    inputsToSave: ["a", "b"],
    gradient: ([dy], [a, b]) => {
      const derivative = (from: tf.Tensor, to: tf.Tensor): tf.Tensor =>
        sumTo(tf.mul(dy!, tf.mul(2, tf.sub(from, to))), from.shape);
      return { a: () => derivative(a!, b!), b: () => derivative(b!, a!) };
    },
  },
  /** With one part TF.js's get a tensor where they expect a list. */
  SplitV: {
    gradient: (dys, _saved, { axis }) => ({ x: () => tf.concat(dys, axis as number) }),
  },
  Unpack: {
    gradient: (dys, _saved, { axis }) => ({ value: () => tf.stack(dys, axis as number) }),
  },
  Cumsum: {
    gradient: ([dy], _saved, { axis, exclusive, reverse }) => ({
      x: () => tf.cumsum(dy!, axis as number, exclusive as boolean, !(reverse as boolean)),
    }),
  },
  Cumprod: {
    inputsToSave: ["x"],
    gradient: ([dy], [x], { axis, exclusive, reverse }) => ({
      x: () => cumprodGradient(dy!, x!, axis as number, exclusive as boolean, reverse as boolean),
    }),
  },
  /** The gradient of each factor is the product of the others: of those before it and those after it. */
  Prod: {
    inputsToSave: ["x"],
    gradient: ([dy], [x], { axis }) => ({
      x: () => {
        const axes = tf.util.parseAxisParam((axis ?? null) as number | number[], x!.shape);
        const kept = x!.shape.map((_, i) => i).filter((i) => !axes.includes(i));
        const permutation = [...kept, ...axes];
        const moved = tf.transpose(x!, permutation);
        const rows = tf.reshape(moved, [...kept.map((i) => x!.shape[i]!), -1]);
        const others = tf.mul(
          tf.cumprod(rows, kept.length, true, false),
          tf.cumprod(rows, kept.length, true, true),
        );
        const gradient = tf.mul(tf.reshape(dy!, [...rows.shape.slice(0, -1), 1]), others);
        return tf.transpose(tf.reshape(gradient, moved.shape), inverse(permutation));
      },
    }),
  },
  Einsum: {
    saveAllInputs: true,
    gradient: ([dy], operands, { equation }) => {
      const { terms, output } = parseEinsum(equation as string);
      return Object.fromEntries(
        operands.map((operand, i) => [
          String(i),
          () => {
            const others = operands.flatMap((other, j) =>
              j === i ? [] : [{ tensor: other, term: terms[j]! }],
            );
            return einsumGradient(dy!, output, others[0], terms[i]!, operand.shape);
          },
        ]),
      );
    },
  },
  GatherV2: {
    inputsToSave: ["x", "indices"],
    gradient: ([dy], [x, indices], { axis, batchDims }) => ({
      x: () =>
        gatherGradient(dy!, x!.shape, indices!, axis as number, (batchDims as number | undefined) ?? 0),
      indices: () => indices!,
    }),
  },
  GatherNd: {
    inputsToSave: ["params", "indices"],
    gradient: ([dy], [params, indices]) => ({
      params: () => tf.scatterND(indices!, dy!, params!.shape),
      indices: () => indices!,
    }),
  },
  ScatterNd: {
    inputsToSave: ["indices"],
    gradient: ([dy], [indices]) => ({
      updates: () => tf.gatherND(dy!, asMatrix(indices!)),
      indices: () => indices!,
    }),
  },
  TensorScatterUpdate: {
    inputsToSave: ["indices", "updates"],
    gradient: ([dy], [indices, updates]) => ({
      tensor: () => tf.tensorScatterUpdate(dy!, indices!, tf.zerosLike(updates!)),
      updates: () => tf.gatherND(dy!, asMatrix(indices!)),
      indices: () => indices!,
    }),
  },
  TopK: {
    inputsToSave: ["x"],
    outputsToSave: [false, true],
    gradient: ([dy], [x, indices]) => ({
      x: () => {
        const length = x!.shape.at(-1)!;
        const rows = x!.size / length;
        const starts = tf.reshape(tf.range(0, rows * length, length, "int32"), [rows, 1]);
        const ids = tf.add(tf.reshape(indices!, [rows, -1]), starts);
        const flat = tf.reshape<tf.Rank.R1>(ids, [-1]);
        return tf.reshape(tf.unsortedSegmentSum(tf.reshape(dy!, [-1]), flat, x!.size), x!.shape);
      },
    }),
  },
  StridedSlice: {
    inputsToSave: ["x"],
    gradient: ([dy], [x], attributes) => ({
      x: () => {
        const { begin, strides, finalShapeSparse } = tf.slice_util.sliceInfo(
          x!.shape,
          attributes.begin as number[],
          attributes.end as number[],
          attributes.strides as number[],
          attributes.beginMask as number,
          attributes.endMask as number,
          attributes.ellipsisMask as number,
          attributes.newAxisMask as number,
          attributes.shrinkAxisMask as number,
        );
        let gradient = tf.reshape(dy!, finalShapeSparse);
        x!.shape.forEach((length, axis) => {
          const count = finalShapeSparse[axis]!;
          if (count === length && strides[axis] === 1) return;
          const positions = Array.from({ length: count }, (_, i) => begin[axis]! + i * strides[axis]!);
          gradient = scatterAlong(gradient, positions, axis, length);
        });
        return gradient;
      },
    }),
  },
  MirrorPad: {
    inputsToSave: ["x"],
    gradient: ([dy], [x], { paddings, mode }) => ({
      x: () => {
        let gradient = dy!;
        (paddings as [number, number][]).forEach(([before, after], axis) => {
          if (before + after === 0) return;
          const length = x!.shape[axis]!;
          const sources = mirrored(length, before, after, mode === "reflect" ? 0 : 1);
          gradient = scatterAlong(gradient, sources, axis, length);
        });
        return gradient;
      },
    }),
  },
  /** TF.js's adds up copy by copy, for up to four axes. */
  Tile: {
    gradient: ([dy], _saved, { reps }) => ({
      x: () => {
        const counts = reps as number[];
        const shape = dy!.shape.map((length, axis) => length / counts[axis]!);
        const copies = tf.reshape(
          dy!,
          shape.flatMap((length, axis) => [counts[axis]!, length]),
        );
        const axes = shape.map((_, axis) => 2 * axis);
        return axes.length === 0 ? dy! : tf.sum(copies, axes);
      },
    }),
  },
  DepthToSpace: {
    gradient: ([dy], _saved, { blockSize, dataFormat }) => ({
      x: () => {
        const size = blockSize as number;
        const isLast = dataFormat === "NHWC";
        const image = isLast ? dy! : tf.transpose(dy!, [0, 2, 3, 1]);
        const [batch, height, width, channels] = image.shape as [number, number, number, number];
        const [rows, columns] = [height / size, width / size];
        const blocks = tf.reshape(image, [batch, rows, size, columns, size, channels]);
        const shape = [batch, rows, columns, size * size * channels];
        const gradient = tf.reshape(tf.transpose(blocks, [0, 1, 3, 2, 4, 5]), shape);
        return isLast ? gradient : tf.transpose(gradient, [0, 3, 1, 2]);
      },
    }),
  },
};

/** For a choice between two operands, of which the first is taken where `isFirst`. */
function pairwise(isFirst: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Definition {
  return {
    inputsToSave: ["a", "b"],
    gradient: ([dy], [a, b]) => {
      const taken = (): tf.Tensor => tf.cast(isFirst(a!, b!), "float32");
      return {
        a: () => sumTo(tf.mul(dy!, taken()), a!.shape),
        b: () => sumTo(tf.mul(dy!, tf.sub(1, taken())), b!.shape),
      };
    },
  };
}

/** Sums over the axes along which an array of this shape was broadcast. */
function sumTo(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(gradient, axes) : gradient, shape);
}

/**
 * Takes the running products by doubling and goes the same steps back, which divides by nothing and so bears zeros: in each
 * step an element is multiplied by another, a distance away.
 */
function cumprodGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  axis: number,
  exclusive: boolean,
  reverse: boolean,
): tf.Tensor {
  const dimension = axis < 0 ? axis + x.rank : axis;
  const length = x.shape[dimension]!;
  const forth = (tensor: tf.Tensor, distance: number): tf.Tensor =>
    shift(tensor, dimension, reverse ? -distance : distance, 1);
  const back = (tensor: tf.Tensor, distance: number): tf.Tensor =>
    shift(tensor, dimension, reverse ? distance : -distance, 0);
  const steps: [distance: number, own: tf.Tensor, other: tf.Tensor][] = [];
  let products = exclusive ? forth(x, 1) : x;
  for (let distance = 1; distance < length; distance *= 2) {
    const other = forth(products, distance);
    steps.push([distance, products, other]);
    products = tf.mul(products, other);
  }
  let gradient = dy;
  for (const [distance, own, other] of steps.reverse()) {
    gradient = tf.add(tf.mul(gradient, other), back(tf.mul(gradient, own), distance));
  }
  return exclusive ? back(gradient, 1) : gradient;
}

/** Moves the elements along an axis, towards its start where the distance is negative; `fill` takes their places. */
function shift(x: tf.Tensor, axis: number, distance: number, fill: number): tf.Tensor {
  const length = x.shape[axis]!;
  const kept = Math.max(0, length - Math.abs(distance));
  const begin = x.shape.map((_, i) => (i === axis && distance < 0 ? length - kept : 0));
  const moved = tf.slice(
    x,
    begin,
    x.shape.map((old, i) => (i === axis ? kept : old)),
  );
  const filling = tf.fill(
    x.shape.map((old, i) => (i === axis ? length - kept : old)),
    fill,
  );
  return tf.concat(distance < 0 ? [moved, filling] : [filling, moved], axis);
}

/** Labels that only the operand has were summed, so that each of their elements has the same gradient. */
function einsumGradient(
  dy: tf.Tensor,
  output: string,
  other: { tensor: tf.Tensor; term: string } | undefined,
  term: string,
  shape: number[],
): tf.Tensor {
  const known = output + (other?.term ?? "");
  const target = [...term].filter((name) => known.includes(name)).join("");
  let gradient: tf.Tensor;
  if (other === undefined) gradient = target === "" ? dy : tf.einsum(`${output}->${target}`, dy);
  else if (output === "")
    gradient = tf.mul(
      dy,
      target === "" ? tf.sum(other.tensor) : tf.einsum(`${other.term}->${target}`, other.tensor),
    );
  else gradient = tf.einsum(`${output},${other.term}->${target}`, dy, other.tensor);
  const expanded = [...term].map((name, axis) => (target.includes(name) ? shape[axis]! : 1));
  return tf.broadcastTo(tf.reshape(gradient, expanded), shape);
}

/** Adds each row of the gradient to the row of `shape` that was read. */
function gatherGradient(
  dy: tf.Tensor,
  shape: number[],
  indices: tf.Tensor,
  axis: number,
  batchDims: number,
): tf.Tensor {
  const [dimension] = tf.util.parseAxisParam(axis, shape) as [number];
  const sizeOf = (lengths: number[]): number => tf.util.sizeFromShape(lengths);
  const batchShape = shape.slice(0, batchDims);
  const outerShape = shape.slice(batchDims, dimension);
  const innerShape = shape.slice(dimension + 1);
  const [batch, outer, inner] = [sizeOf(batchShape), sizeOf(outerShape), sizeOf(innerShape)];
  const length = shape[dimension]!;
  const count = indices.size / batch;
  const rows = tf.transpose(tf.reshape(dy, [batch, outer, count, inner]), [0, 2, 1, 3]);
  const starts = tf.reshape(tf.range(0, batch * length, length, "int32"), [batch, 1]);
  const ids = batch === 1 ? indices : tf.add(tf.reshape(indices, [batch, count]), starts);
  const sums = tf.unsortedSegmentSum(
    tf.reshape(rows, [batch * count, outer * inner]),
    tf.reshape<tf.Rank.R1>(tf.cast(ids, "int32"), [-1]),
    batch * length,
  );
  const gradient = tf.transpose(tf.reshape(sums, [batch, length, outer, inner]), [0, 2, 1, 3]);
  return tf.reshape(gradient, shape);
}

/** Adds the elements along an axis to the given positions of a longer or shorter one. */
function scatterAlong(gradient: tf.Tensor, positions: number[], axis: number, length: number): tf.Tensor {
  const shape = gradient.shape.map((old, i) => (i === axis ? length : old));
  return gatherGradient(gradient, shape, tf.tensor1d(positions, "int32"), axis, 0);
}

/** A vector of indices as TF.js's scatters take it, in the form that gathers take. */
function asMatrix(indices: tf.Tensor): tf.Tensor {
  return indices.rank === 1 ? tf.expandDims(indices, 1) : indices;
}

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis));
}
