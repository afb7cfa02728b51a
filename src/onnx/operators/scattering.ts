/** Writing by index. Indices below zero count from the end. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import { elementPlaces, slicePlaces } from "./gathering.js";
import { asElement } from "./host.js";
import {
  allHost,
  asInt,
  axisOf,
  integers,
  product,
  readNumbers,
  tensorAt,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

type Combine = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** What becomes of an element and an update that meet, on the device and on the host. */
const REDUCTIONS: Record<
  string,
  { onDevice: Combine; onHost: (a: number, b: number) => number } | undefined
> = {
  none: { onDevice: (_old, update) => update, onHost: (_old, update) => update },
  add: { onDevice: tf.add, onHost: (a, b) => a + b },
  mul: { onDevice: tf.mul, onHost: (a, b) => a * b },
  max: { onDevice: tf.maximum, onHost: Math.max },
  min: { onDevice: tf.minimum, onHost: Math.min },
};

const notes =
  "Of several updates of one element the last counts. With mul, max and min, indices from the data are read.";

const scatterElements: OperatorDefinition = {
  since: 9,
  gradient: true,
  notes,
  run: ([x, indices, updates], context) => {
    const axis = axisOf(context.int("axis", 0), x!.shape.length);
    const places = elementPlaces(x!.shape, indices!, axis);
    return [scatter(x!, places, updates!, product(x!.shape), context)];
  },
};

export const scattering: OperatorTable = {
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: {
    since: 11,
    gradient: true,
    notes,
    run: ([x, indices, updates], context) => {
      const slices = product(x!.shape.slice(0, indices!.shape.at(-1)));
      const places = slicePlaces(x!.shape, indices!, 0);
      return [scatter(x!, places, updates!, slices, context)];
    },
  },
};

/** Writes updates to the given ones of the `count` equal slices of an array. */
function scatter(
  x: OnnxValue,
  places: OnnxValue,
  updates: OnnxValue,
  count: number,
  context: OperatorContext,
): OnnxValue {
  const mode = context.string("reduction", "none");
  const reduction = REDUCTIONS[mode];
  if (reduction === undefined) throw context.invalid(`there is no reduction "${mode}"`);
  if (product(updates.shape) === 0) return x;
  const width = product(x.shape) / count;
  const all = [x, places, updates];
  if (allHost(all)) return scatterHost(all[0]!, all[1]!, all[2]!, width, reduction.onHost);
  const rows = tf.reshape(tensorAt([x], 0), [count, width]);
  const changes = tf.reshape(tensorAt([updates], 0), [-1, width]);
  let result: tf.Tensor;
  if (mode === "add") {
    const indices = tf.reshape(asInt(tensorAt([places], 0)), [-1, 1]);
    result = tf.add(rows, tf.scatterND(indices, changes, [count, width]));
  } else if (mode === "none" && !isHost(places)) {
    result = tf.tensorScatterUpdate(rows, tf.reshape(asInt(places), [-1, 1]), changes);
  } else {
    result = scatterInRounds(rows, Array.from(readNumbers(places)), changes, reduction.onDevice);
  }
  return tf.reshape(result, [...x.shape]);
}

function scatterHost(
  x: HostValue,
  places: HostValue,
  updates: HostValue,
  width: number,
  combine: (a: number, b: number) => number,
): HostValue {
  const data = Array.from(x.data);
  Array.from(places.data).forEach((place, row) => {
    for (let i = 0; i < width; i++) {
      const target = place * width + i;
      data[target] = asElement(combine(data[target]!, updates.data[row * width + i]!), x.type);
    }
  });
  return new HostValue(x.type, x.shape, data);
}

/** Writes as many updates at once as have different targets. */
function scatterInRounds(rows: tf.Tensor, places: number[], updates: tf.Tensor, combine: Combine): tf.Tensor {
  const seen = new Map<number, number>();
  const rounds: number[][] = [];
  places.forEach((place, update) => {
    const round = seen.get(place) ?? 0;
    seen.set(place, round + 1);
    (rounds[round] ??= []).push(update);
  });
  return rounds.reduce((result, round) => {
    const targets = integers(round.map((update) => places[update]!));
    const changes = round.length === places.length ? updates : tf.gather(updates, integers(round));
    const changed = combine(tf.gather(result, targets), changes);
    return tf.tensorScatterUpdate(result, tf.expandDims(targets, 1), changed);
  }, rows);
}
