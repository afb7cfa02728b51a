/**
 * Every operator that an imported model may have.
 *
 * To add one, write its definition into the table of its family, or into a new file whose table is listed here:
 *
 *     export const activation: OperatorTable = {
 *       LeakyRelu: {
 *         since: 1,
 *         gradient: true,
 *         run: (inputs, context) => [tf.leakyRelu(tensorAt(inputs, 0), context.float("alpha", 0.01))],
 *       },
 *     };
 *
 * Inputs that the node leaves out are undefined. Made of TF.js's and the engine's differentiable operators, it trains.
 * Tensors keep ONNX's layout, pictures [batch, channels, height, width]: `tf.transpose` around a TF.js operator costs nothing.
 * What is needed as a number (a shape, axes) is read with `numbersAt`. Give a `HostValue` where all inputs are `HostValue`s and
 * the result may be a shape or part of one. Operators of other domains are keyed `domain:Name`. An operator that computes
 * differently from some version on looks at `context.opset`. What cannot be done is `throw context.unsupported("why")`.
 *
 * Which float inputs are weights to be trained is in `weight_positions.ts`: an operator with weights has a row there.
 * `docs/onnx-operators.md` is made of the definitions: `npx vitest run tests/docs/onnx_operators -u` writes it.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxValue } from "../values.js";
import { activation } from "./activation.js";
import { arithmetic } from "./arithmetic.js";
import { attention } from "./attention.js";
import { casting } from "./casting.js";
import type { OperatorContext } from "./context.js";
import { controlFlow } from "./control_flow.js";
import { convolution } from "./convolution.js";
import { counting } from "./counting.js";
import { creation } from "./creation.js";
import { detection } from "./detection.js";
import { elementwise } from "./elementwise.js";
import { gathering } from "./gathering.js";
import { joining } from "./joining.js";
import { logic } from "./logic.js";
import { losses } from "./losses.js";
import { matrix } from "./matrix.js";
import { microsoft } from "./microsoft.js";
import { microsoftQuantization } from "./microsoft_quantization.js";
import { normalization } from "./normalization.js";
import { detached, type OperatorDefinition } from "./operator.js";
import { padding } from "./padding.js";
import { pooling } from "./pooling.js";
import { quantization } from "./quantization.js";
import { recurrent } from "./recurrent.js";
import { reduction } from "./reduction.js";
import { resizing } from "./resizing.js";
import { sampling } from "./sampling.js";
import { scattering } from "./scattering.js";
import { searching } from "./searching.js";
import { sequences } from "./sequences.js";
import { shape } from "./shape.js";
import { signal } from "./signal.js";

/** Computes the outputs of a node, as many as it has or more. */
export type Operator = (inputs: (OnnxValue | undefined)[], context: OperatorContext) => OnnxValue[];

/** The definitions by `operatorKey`. */
export const definitions: ReadonlyMap<string, OperatorDefinition> = new Map(
  [
    activation,
    arithmetic,
    attention,
    casting,
    controlFlow,
    convolution,
    counting,
    creation,
    detection,
    elementwise,
    gathering,
    joining,
    logic,
    losses,
    matrix,
    microsoft,
    microsoftQuantization,
    normalization,
    padding,
    pooling,
    quantization,
    recurrent,
    reduction,
    resizing,
    sampling,
    scattering,
    searching,
    sequences,
    shape,
    signal,
  ].flatMap((table) => Object.entries(table)),
);

/** Operators by `operatorKey`. */
export const operators: ReadonlyMap<string, Operator> = new Map(
  Array.from(definitions, ([key, { run, gradient }]) => [key, gradient ? run : withoutGradient(run)]),
);

/** TF.js fails where a gradient would have to flow through a kernel that has none: it is kept from getting there. */
function withoutGradient(run: Operator): Operator {
  return (inputs, context) =>
    run(
      inputs.map((value) => (value instanceof tf.Tensor ? detached(value) : value)),
      context,
    );
}
