/** Recurrent layers, step by step: each step is recorded with its own operators, and gradients flow back through all. */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../../nn/functional/linear.js";
import { isHost, toTensor, type OnnxValue } from "../values.js";
import { elu, thresholdedRelu } from "./activation.js";
import type { OperatorContext } from "./context.js";
import {
  asInt,
  floatAt,
  integers,
  optionalTensor,
  range,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import { gruPass, lstmPass, type Pass, type PassResult } from "./recurrent_passes.js";
import { reverseSequences } from "./searching.js";

type Activation = (x: tf.Tensor) => tf.Tensor;

/** What one direction of a layer has: its weights without the axis of directions, and its activations. */
interface Direction {
  /** [gates · hidden, hidden] */
  recurrence: tf.Tensor;
  /** [gates · hidden], of the recurrence alone. */
  recurrenceBias: tf.Tensor | undefined;
  peepholes: tf.Tensor[];
  activations: Activation[];
  limit: number | undefined;
}

/** One step: what the input gives to the gates [batch, gates · hidden], and the states before; the states after. */
type Step = (x: tf.Tensor, states: readonly tf.Tensor[], direction: Direction) => tf.Tensor[];

export const recurrent: OperatorTable = {
  RNN: layer(
    { gates: 1, states: 1, activations: ["Tanh"] },
    () =>
      (x, [hidden], { recurrence, recurrenceBias, activations, limit }) => {
        const sum = tf.add(x, linear(hidden!, recurrence, recurrenceBias ?? null));
        return [activations[0]!(clipped(sum, limit))];
      },
  ),
  GRU: layer({ gates: 3, states: 1, activations: ["Sigmoid", "Tanh"], pass: gruPass }, (context) => {
    const resetsProduct = context.int("linear_before_reset", 0) !== 0;
    return (x, [hidden], { recurrence, recurrenceBias, activations, limit }) => {
      const [gate, candidate] = activations as [Activation, Activation];
      const size = hidden!.shape[1]!;
      const [forGates, forNew] = tf.split(x, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
      const gatesOf = (sums: tf.Tensor): tf.Tensor[] =>
        tf.split(gate(clipped(tf.add(forGates, sums), limit)), 2, 1);
      let update: tf.Tensor;
      let sum: tf.Tensor;
      if (resetsProduct) {
        const products = linear(hidden!, recurrence, recurrenceBias ?? null);
        const [first, last] = tf.split(products, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
        const [z, r] = gatesOf(first) as [tf.Tensor, tf.Tensor];
        [update, sum] = [z, tf.add(forNew, tf.mul(r, last))];
      } else {
        const [forFirst, forLast] = tf.split(recurrence, [2 * size, size], 0) as [tf.Tensor, tf.Tensor];
        const [first, last] =
          recurrenceBias === undefined ? [] : tf.split(recurrenceBias, [2 * size, size], 0);
        const [z, r] = gatesOf(linear(hidden!, forFirst, first ?? null)) as [tf.Tensor, tf.Tensor];
        [update, sum] = [z, tf.add(forNew, linear(tf.mul(r, hidden!), forLast, last ?? null))];
      }
      const next = candidate(clipped(sum, limit));
      return [tf.add(next, tf.mul(update, tf.sub(hidden!, next)))];
    };
  }),
  LSTM: layer(
    { gates: 4, states: 2, activations: ["Sigmoid", "Tanh", "Tanh"], pass: lstmPass },
    (context) => {
      const forgetsInput = context.int("input_forget", 0) !== 0;
      return (x, [hidden, cell], { recurrence, recurrenceBias, peepholes, activations, limit }) => {
        const [gate, candidate, output] = activations as [Activation, Activation, Activation];
        const sums = tf.add(x, linear(hidden!, recurrence, recurrenceBias ?? null));
        const next = (kept: tf.Tensor, share: tf.Tensor, fresh: tf.Tensor): tf.Tensor =>
          tf.add(tf.mul(kept, cell!), tf.mul(share, candidate(clipped(fresh, limit))));
        const [toInput, toOutput, toForget, fresh] = tf.split(sums, 4, 1) as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
        ];
        const open = (sum: tf.Tensor, state: tf.Tensor, which: number): tf.Tensor => {
          const peephole = peepholes[which];
          return gate(clipped(peephole === undefined ? sum : tf.add(sum, tf.mul(peephole, state)), limit));
        };
        const i = open(toInput, cell!, 0);
        const after = next(forgetsInput ? tf.sub(1, i) : open(toForget, cell!, 2), i, fresh);
        return [tf.mul(open(toOutput, after, 1), output(after)), after];
      };
    },
  ),
};

const clipped = (x: tf.Tensor, limit: number | undefined): tf.Tensor =>
  limit === undefined ? x : tf.clipByValue(x, -limit, limit);

/** A kind of layer. */
interface Kind {
  /** How many gates the weights hold. */
  gates: number;
  /** How many states a step hands to the next; the first is also the output. */
  states: number;
  /** Defaults. */
  activations: readonly string[];
  /** All steps at once, of a layer without anything unusual. */
  pass?: (pass: Pass) => PassResult;
}

function layer(kind: Kind, stepOf: (context: OperatorContext) => Step): OperatorDefinition {
  return {
    since: 7,
    gradient: true,
    notes:
      "Records every time step: a graph grows with the sequence, and each length is compiled on its own.",
    run: (inputs, context) => runLayer(inputs, context, kind, stepOf(context)),
  };
}

/** Whether a node computes what its kind's `pass` does. */
function isUsual(context: OperatorContext): boolean {
  const { operator } = context.node;
  const names = ["activations", "clip"];
  if (operator === "GRU")
    return !names.some((name) => context.has(name)) && context.int("linear_before_reset", 0) !== 0;
  return !names.some((name) => context.has(name)) && context.int("input_forget", 0) === 0;
}

function runLayer(inputs: Inputs, context: OperatorContext, kind: Kind, step: Step): OnnxValue[] {
  const isBatchFirst = context.int("layout", 0) !== 0;
  const given = floatAt(inputs, 0);
  const x = isBatchFirst ? tf.transpose(given, [1, 0, 2]) : given;
  const [weights, recurrences] = [floatAt(inputs, 1), floatAt(inputs, 2)];
  const [directions, , size] = recurrences.shape as [number, number, number];
  const [steps, batch] = x.shape as [number, number, number];
  const [biases, lengths] = [optionalTensor(inputs, 3), lengthsOf(inputs[4], steps)];
  const initial = range(kind.states).map((i) => optionalTensor(inputs, 5 + i));
  const peepholes = optionalTensor(inputs, 5 + kind.states);
  if (kind.gates * size !== recurrences.shape[1]) {
    throw context.invalid(`its weights are not of ${kind.gates} gates`);
  }
  const sides = context.string("direction", "forward");
  const pass = isUsual(context) && lengths === undefined && peepholes === undefined ? kind.pass : undefined;
  const limit = context.has("clip") ? context.float("clip") : undefined;
  const activations = activationsOf(context, kind.activations, directions);
  const results = range(directions).map((d) => {
    const pick = (tensor: tf.Tensor): tf.Tensor => tf.squeeze(tf.slice(tensor, d, 1), [0]);
    const bias = biases === undefined ? undefined : tf.split(pick(biases), 2, 0);
    const direction: Direction = {
      recurrence: pick(recurrences),
      recurrenceBias: bias?.[1],
      peepholes: peepholes === undefined ? [] : tf.split(pick(peepholes), 3, 0),
      activations: activations.slice(d * kind.activations.length, (d + 1) * kind.activations.length),
      limit,
    };
    const states = initial.map((state) => {
      if (state === undefined) return tf.zeros([batch, size]);
      return isBatchFirst ? tf.squeeze(tf.slice(state, [0, d, 0], [batch, 1, size]), [1]) : pick(state);
    });
    const isBackwards = sides === "reverse" || d === 1;
    const turned = isBackwards ? turn(x, lengths) : x;
    const gatesOf = linear(turned, pick(weights), bias?.[0] ?? null);
    const { outputs, last } =
      pass === undefined
        ? walk(tf.unstack(gatesOf, 0), states, direction, step, lengths)
        : pass({
            gates: gatesOf,
            recurrence: direction.recurrence,
            bias: direction.recurrenceBias ?? tf.zeros([kind.gates * size]),
            initial: states,
          });
    return { outputs: isBackwards ? turn(outputs, lengths) : outputs, last };
  });
  const outputs = tf.stack(
    results.map((result) => result.outputs),
    1,
  );
  const last = range(kind.states).map((i) => tf.stack(results.map((result) => result.last[i]!)));
  if (!isBatchFirst) return [outputs, ...last];
  return [tf.transpose(outputs, [2, 0, 1, 3]), ...last.map((state) => tf.transpose(state, [1, 0, 2]))];
}

/** How long each sequence is; undefined where all have every step. */
function lengthsOf(given: OnnxValue | undefined, steps: number): tf.Tensor | undefined {
  if (given === undefined) return undefined;
  const areWhole = isHost(given) && Array.from(given.data).every((length) => length === steps);
  return areWhole ? undefined : toTensor(given);
}

/** Sequences [time, batch, …] from their last step to their first. */
function turn(x: tf.Tensor, lengths: tf.Tensor | undefined): tf.Tensor {
  if (lengths === undefined) return tf.reverse(x, 0);
  const swap = [1, 0, ...range(x.rank - 2, 2)];
  return tf.transpose(reverseSequences(tf.transpose(x, swap), lengths), swap);
}

/** Takes every step. Behind the end of a sequence its states stay, and its output is zero. */
function walk(
  inputs: readonly tf.Tensor[],
  initial: readonly tf.Tensor[],
  direction: Direction,
  step: Step,
  lengths: tf.Tensor | undefined,
): { outputs: tf.Tensor; last: readonly tf.Tensor[] } {
  let states = initial;
  const ends = lengths === undefined ? undefined : tf.expandDims(asInt(lengths), 1);
  const outputs = inputs.map((x, time) => {
    const next = step(x, states, direction);
    if (ends === undefined) {
      states = next;
      return next[0]!;
    }
    const isInside = tf.greater(ends, integers([time], []));
    states = next.map((state, i) => tf.where(isInside, state, states[i]!));
    return tf.where(isInside, next[0]!, tf.zerosLike(next[0]!));
  });
  return { outputs: tf.stack(outputs), last: states };
}

/** For each direction the activations of the gates, of what enters the state and of what leaves it. */
function activationsOf(
  context: OperatorContext,
  defaults: readonly string[],
  directions: number,
): Activation[] {
  const names = context.has("activations")
    ? context.strings("activations")
    : range(directions).flatMap(() => [...defaults]);
  const alphas = context.has("activation_alpha") ? context.floats("activation_alpha") : [];
  const betas = context.has("activation_beta") ? context.floats("activation_beta") : [];
  return names.map((name) => {
    const known = ACTIVATIONS[name.toLowerCase()];
    if (known === undefined) throw context.invalid(`there is no activation "${name}"`);
    const { alpha, beta } = known;
    // Only those activations that have a parameter take one from the list.
    const a = alpha === undefined ? 0 : (alphas.shift() ?? alpha);
    const b = beta === undefined ? 0 : (betas.shift() ?? beta);
    return (x) => known.f(x, a, b);
  });
}

interface KnownActivation {
  f: (x: tf.Tensor, alpha: number, beta: number) => tf.Tensor;
  /** Default, if it has this parameter. */
  alpha?: number;
  beta?: number;
}

const ACTIVATIONS: Record<string, KnownActivation | undefined> = {
  sigmoid: { f: tf.sigmoid },
  tanh: { f: tf.tanh },
  relu: { f: tf.relu },
  softplus: { f: tf.softplus },
  softsign: { f: (x) => tf.div(x, tf.add(tf.abs(x), 1)) },
  affine: { f: (x, alpha, beta) => tf.add(tf.mul(x, alpha), beta), alpha: 1, beta: 0 },
  elu: { f: elu, alpha: 1 },
  hardsigmoid: {
    f: (x, alpha, beta) => tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1),
    alpha: 0.2,
    beta: 0.5,
  },
  leakyrelu: { f: (x, alpha) => tf.leakyRelu(x, alpha), alpha: 0.01 },
  scaledtanh: { f: (x, alpha, beta) => tf.mul(tf.tanh(tf.mul(x, beta)), alpha), alpha: 1, beta: 1 },
  thresholdedrelu: { f: thresholdedRelu, alpha: 1 },
};
