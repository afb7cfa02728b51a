/** Small helpers over the gradients of an optimizer's parameters. */
import * as tf from "@tensorflow/tfjs-core";
import { scaleGrads } from "../nn/grad_factor.js";
import type { Optimizer, Parameter } from "../nn/index.js";

/** The parameters an optimizer updates, in the order of its groups. */
export function parametersOf({ paramGroups }: Pick<Optimizer, "paramGroups">): Parameter[] {
  return paramGroups.flatMap(({ params }) => params);
}

/** Multiplies every gradient by a number. */
export function scaleGradients(optimizer: Optimizer, factor: number): void {
  tf.tidy(() => scaleGrads(parametersOf(optimizer), tf.scalar(factor)));
}
