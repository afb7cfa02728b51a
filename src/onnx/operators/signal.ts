/** Signals: Fourier transforms as products with matrices, windows, and weights of mel filters. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, type OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import { typeOfAttribute } from "./creation.js";
import { makeHost } from "./host.js";
import {
  axisOf,
  floatAt,
  floats,
  integers,
  moveAxis,
  numberAt,
  optionalTensor,
  range,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import { padWith } from "./padding.js";

export const signal: OperatorTable = {
  DFT: {
    since: 17,
    gradient: true,
    notes: "A product with a matrix: meant for a few thousand points.",
    run: discreteFourier,
  },
  STFT: { since: 17, gradient: true, run: shortTimeFourier },
  HannWindow: cosineWindow([0.5, 0.5]),
  HammingWindow: cosineWindow([25 / 46, 21 / 46]),
  BlackmanWindow: cosineWindow([0.42, 0.5, 0.08]),
  MelWeightMatrix: { since: 17, gradient: false, run: (inputs, context) => [melWeights(inputs, context)] },
};

/** A sum of cosines with these coefficients, of alternating sign. */
function cosineWindow(coefficients: readonly number[]): OperatorDefinition {
  return {
    since: 17,
    gradient: false,
    run: (inputs, context) => {
      const size = numberAt(inputs, 0, `the size of ${context.node.operator}`)!;
      const period = context.int("periodic", 1) !== 0 ? size : size - 1;
      const at = (i: number): number =>
        coefficients.reduce((sum, a, k) => sum + (-1) ** k * a * Math.cos((2 * Math.PI * k * i) / period), 0);
      return [makeHost(typeOfAttribute(context, "output_datatype", 1), [size], range(size).map(at))];
    },
  };
}

/** Real and imaginary parts along the last axis of [..., length, 1 or 2], for `count` frequencies. */
function transformed(x: tf.Tensor, count: number, isInverse: boolean): tf.Tensor {
  const length = x.shape.at(-2)!;
  const isComplex = x.shape.at(-1) === 2;
  const sign = isInverse ? 1 : -1;
  const scale = isInverse ? 1 / length : 1;
  const table = (f: (angle: number) => number): tf.Tensor2D => {
    const values = new Float32Array(length * count);
    for (let i = 0; i < length; i++) {
      // The remainder keeps the angle, and with it the rounding, small.
      for (let k = 0; k < count; k++)
        values[i * count + k] = scale * f((2 * Math.PI * ((i * k) % length)) / length);
    }
    return floats(values, [length, count]) as tf.Tensor2D;
  };
  const [cosines, sines] = [table(Math.cos), table((angle) => sign * Math.sin(angle))];
  const leading = x.shape.slice(0, -2);
  const part = (i: number): tf.Tensor2D =>
    tf.reshape(tf.slice(x, [...leading.map(() => 0), 0, i], [...leading, length, 1]), [-1, length]);
  const real = part(0);
  let outputs = [tf.matMul(real, cosines), tf.matMul(real, sines)];
  if (isComplex) {
    const imaginary = part(1);
    outputs = [
      tf.sub(outputs[0]!, tf.matMul(imaginary, sines)),
      tf.add(outputs[1]!, tf.matMul(imaginary, cosines)),
    ];
  }
  return tf.reshape(tf.stack(outputs, -1), [...leading, count, 2]);
}

function discreteFourier(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const x = floatAt(inputs, 0);
  const given = context.opset < 20 ? context.int("axis", 1) : (numberAt(inputs, 2, "the axis of DFT") ?? -2);
  const axis = axisOf(given, x.rank);
  const length = numberAt(inputs, 1, "the length of DFT") ?? x.shape[axis]!;
  const isOneSided = context.int("onesided", 0) !== 0;
  const moved = moveAxis(x, axis, x.rank - 2);
  const fitted = padWith(
    moved,
    moved.shape.map((size, i): [number, number] => [0, i === x.rank - 2 ? length - size : 0]),
    0,
  );
  const count = isOneSided ? Math.floor(length / 2) + 1 : length;
  return [moveAxis(transformed(fitted, count, context.int("inverse", 0) !== 0), x.rank - 2, axis)];
}

/** Frames of the signal under a window, each transformed. */
function shortTimeFourier(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const given = floatAt(inputs, 0);
  const x = given.rank === 2 ? tf.expandDims(given, -1) : given;
  const step = numberAt(inputs, 1, "the step of STFT")!;
  const window = optionalTensor(inputs, 2);
  const length = numberAt(inputs, 3, "the frame length of STFT") ?? window!.size;
  const frames = Math.floor((x.shape[1]! - length) / step) + 1;
  const places = range(frames).flatMap((frame) => range(length, frame * step));
  const cut = tf.gather(x, integers(places, [frames, length]), 1);
  const framed = window === undefined ? cut : tf.mul(cut, tf.reshape(window, [length, 1]));
  const count = context.int("onesided", 1) !== 0 ? Math.floor(length / 2) + 1 : length;
  return [transformed(framed, count, false)];
}

/** Triangles that are equally wide on the mel scale (Davis and Mermelstein, 1980). */
function melWeights(inputs: Inputs, context: OperatorContext): HostValue {
  const [bands, length, rate, lower, upper] = [0, 1, 2, 3, 4].map((i) =>
    numberAt(inputs, i, "an input of MelWeightMatrix")!,
  ) as [number, number, number, number, number];
  const bins = Math.floor(length / 2) + 1;
  const toMel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const [low, high] = [toMel(lower), toMel(upper)];
  const step = (high - low) / (bands + 2);
  const edges = range(bands + 2).map((i) => {
    const hertz = 700 * (10 ** ((low + i * step) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const weights = new Array<number>(bins * bands).fill(0);
  for (const band of range(bands)) {
    const [from, centre, to] = edges.slice(band, band + 3) as [number, number, number];
    const set = (bin: number, weight: number): void => {
      weights[bin * bands + band] = weight;
    };
    if (centre === from) set(centre, 1);
    else for (let bin = from; bin <= centre; bin++) set(bin, (bin - from) / (centre - from));
    if (to > centre) for (let bin = centre; bin < to; bin++) set(bin, (to - bin) / (to - centre));
  }
  return makeHost(typeOfAttribute(context, "output_datatype", 1), [bins, bands], weights);
}
