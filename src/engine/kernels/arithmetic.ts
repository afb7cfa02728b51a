/** Shorthands for lowerings made of many small steps: operators of two arrays that broadcast. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, scalar, type Value, type ValueType } from "../graph/value.js";

type Operand = Value | number;

/** Records a broadcasting operator; a number takes the type of what it meets. */
function broadcast(operator: string, a: Operand, b: Operand, result?: ValueType): Value {
  const { type } = typeof a === "number" ? (b as Value) : a;
  const left = typeof a === "number" ? scalar(a, type) : a;
  const right = typeof b === "number" ? scalar(b, type) : b;
  const shape = tf.broadcast_util.assertAndGetBroadcastShape([...left.shape], [...right.shape]);
  return emit(operator, [left, right], shape, result ?? type);
}

export const add = (a: Operand, b: Operand): Value => broadcast("Add", a, b);
export const subtract = (a: Operand, b: Operand): Value => broadcast("Sub", a, b);
export const multiply = (a: Operand, b: Operand): Value => broadcast("Mul", a, b);
export const divide = (a: Operand, b: Operand): Value => broadcast("Div", a, b);
export const power = (a: Operand, b: Operand): Value => broadcast("Pow", a, b);
export const maximum = (a: Operand, b: Operand): Value => broadcast("Max", a, b);
export const minimum = (a: Operand, b: Operand): Value => broadcast("Min", a, b);
export const equal = (a: Operand, b: Operand): Value => broadcast("Equal", a, b, "bool");
export const less = (a: Operand, b: Operand): Value => broadcast("Less", a, b, "bool");
export const atMost = (a: Operand, b: Operand): Value => broadcast("LessOrEqual", a, b, "bool");
export const atLeast = (a: Operand, b: Operand): Value => broadcast("GreaterOrEqual", a, b, "bool");
export const both = (a: Value, b: Value): Value => broadcast("And", a, b);

export const floor = (a: Value): Value => emit("Floor", [a], a.shape, a.type);
export const not = (a: Value): Value => emit("Not", [a], a.shape, "bool");

/** One of two values for each element of the condition; they broadcast. */
export function choose(condition: Value, a: Operand, b: Operand): Value {
  const { type } = typeof a === "number" ? (b as Value) : a;
  const values = [a, b].map((value) => (typeof value === "number" ? scalar(value, type) : value));
  const shape = [condition, ...values]
    .map((value) => [...value.shape])
    .reduce((one, other) => tf.broadcast_util.assertAndGetBroadcastShape(one, other));
  return emit("Where", [condition, ...values], shape, type);
}
