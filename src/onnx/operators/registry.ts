/**
 * Every operator that an imported model may have.
 *
 * To add one, write a function from inputs to outputs into the table of its family, or into a new file whose table is
 * listed here:
 *
 *     export const activations: OperatorTable = {
 *       LeakyRelu: ([x], context) => [tf.leakyRelu(toTensor(x!), context.float("alpha", 0.01))],
 *     };
 *
 * Inputs that the node leaves out are undefined. Made of TF.js's and the engine's differentiable operators, it trains.
 * Tensors keep ONNX's layout, pictures [batch, channels, height, width]: `tf.transpose` around a TF.js operator costs nothing.
 * What is needed as a number (a shape, axes) is read with `toHost`. Give a `HostValue` where all inputs are `HostValue`s and
 * the result may be a shape or part of one. Operators of other domains are keyed `domain:Name`. An operator that computes
 * differently from some version on looks at `context.opset`. What cannot be done is `throw context.unsupported("why")`.
 *
 * Which float inputs are weights to be trained is in `weight_positions.ts`: an operator with weights has a row there.
 */
import type { OnnxValue } from "../values.js";
import { controlFlow } from "./control_flow.js";
import type { OperatorContext } from "./context.js";
import { convolution } from "./convolution.js";
import { elementwise } from "./elementwise.js";
import { matrix } from "./matrix.js";
import { normalization } from "./normalization.js";
import { pooling } from "./pooling.js";
import { shape } from "./shape.js";

/** Computes the outputs of a node, as many as it has or more. */
export type Operator = (inputs: (OnnxValue | undefined)[], context: OperatorContext) => OnnxValue[];

/** Operators by name; `domain:Name` for those outside the standard. */
export type OperatorTable = Readonly<Record<string, Operator>>;

const TABLES: readonly OperatorTable[] = [
  controlFlow,
  convolution,
  elementwise,
  matrix,
  normalization,
  pooling,
  shape,
];

/** Operators by `operatorKey`. */
export const operators: ReadonlyMap<string, Operator> = new Map(
  TABLES.flatMap((table) => Object.entries(table)),
);
