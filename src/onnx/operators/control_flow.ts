/** Branches and loops whose condition or count is known while tracing: they are unrolled. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, isHost, toHost, toTensor, type OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import type { OperatorDefinition, OperatorTable } from "./operator.js";

/** Rounds of a loop: a graph of more operators than this makes would not be compiled in any time. */
const MAX_ROUNDS = 10_000;

export const controlFlow: OperatorTable = {
  If: known(([condition], context) =>
    context.runSubgraph(
      context.graph(isTrue(condition!, `The condition of ${context.name}`) ? "then_branch" : "else_branch"),
      [],
    ),
  ),

  Loop: known(([count, condition, ...initial], context) => {
    const body = context.graph("body");
    const rounds = count === undefined ? Infinity : toHost(count, `The count of ${context.name}`).data[0]!;
    const what = `The condition of ${context.name}`;
    let goesOn = condition === undefined || isTrue(condition, what);
    let carried = initial as OnnxValue[];
    const collected: OnnxValue[][] = [];
    for (let round = 0; goesOn && round < rounds; round++) {
      if (round === MAX_ROUNDS) throw context.unsupported(`it takes more than ${MAX_ROUNDS} rounds`);
      const inputs = [HostValue.scalar(round, "int64"), HostValue.scalar(1, "bool"), ...carried];
      const [next, ...results] = context.runSubgraph(body, inputs);
      goesOn = isTrue(next!, what);
      carried = results.slice(0, carried.length);
      results.slice(carried.length).forEach((value, i) => (collected[i] ??= []).push(value));
    }
    return [...carried, ...stackAll(collected, context, carried.length)];
  }),

  Scan: known((inputs, context) => {
    if (context.opset < 9) throw context.unsupported("before version 9, it has a batch axis");
    const body = context.graph("body");
    const scanCount = context.int("num_scan_inputs");
    const stateCount = inputs.length - scanCount;
    const axes = context.ints("scan_input_axes", new Array<number>(scanCount).fill(0));
    const backwards = context.ints("scan_input_directions", new Array<number>(scanCount).fill(0));
    const slices = inputs.slice(stateCount).map((input, i) => {
      const parts = unstack(input!, axes[i]!);
      return backwards[i] === 1 ? parts.toReversed() : parts;
    });
    const rounds = slices[0]?.length ?? 0;
    if (slices.some(({ length }) => length !== rounds)) {
      throw context.invalid("the inputs that it goes along differ in length");
    }
    let states = inputs.slice(0, stateCount) as OnnxValue[];
    const collected: OnnxValue[][] = [];
    for (let round = 0; round < rounds; round++) {
      const results = context.runSubgraph(body, [...states, ...slices.map((parts) => parts[round]!)]);
      states = results.slice(0, stateCount);
      results.slice(stateCount).forEach((value, i) => (collected[i] ??= []).push(value));
    }
    const outputAxes = context.ints("scan_output_axes", new Array<number>(collected.length).fill(0));
    const outputBackwards = context.ints("scan_output_directions", []);
    collected.forEach((values, i) => outputBackwards[i] === 1 && values.reverse());
    return [...states, ...stackAll(collected, context, stateCount, outputAxes)];
  }),
};

function known(run: OperatorDefinition["run"]): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    notes: "Unrolled: condition and count must be known while tracing.",
    run,
  };
}

function isTrue(condition: OnnxValue, what: string): boolean {
  return toHost(condition, what).data[0] !== 0;
}

/** What the rounds gave, along a new axis. */
function stackAll(
  collected: readonly OnnxValue[][],
  context: OperatorContext,
  firstOutput: number,
  axes: readonly number[] = [],
): OnnxValue[] {
  if (collected.length < context.outputs - firstOutput) {
    throw context.unsupported("it takes no round, so that the shape of what it collects is unknown");
  }
  return collected.map((values, i) => stack(values, axes[i] ?? 0));
}

function stack(values: readonly OnnxValue[], axis: number): OnnxValue {
  const first = values[0]!;
  if (axis === 0 && values.every(isHost)) {
    const data = values.flatMap((value) => Array.from(value.data));
    return new HostValue(values[0]!.type, [values.length, ...first.shape], data);
  }
  return tf.stack(values.map(toTensor), axis < 0 ? axis + first.shape.length + 1 : axis);
}

function unstack(value: OnnxValue, axis: number): OnnxValue[] {
  if (isHost(value) && axis === 0) {
    const [length, ...shape] = value.shape as [number, ...number[]];
    const size = value.data.length / Math.max(1, length);
    const data = Array.from(value.data);
    return Array.from(
      { length },
      (_, i) => new HostValue(value.type, shape, data.slice(i * size, (i + 1) * size)),
    );
  }
  return tf.unstack(toTensor(value), axis < 0 ? axis + value.shape.length : axis);
}
