/**
 * Backpropagation over TF.js's tape. TF.js's own walk looks every parameter up for every operator; this one takes time in
 * proportion to the tape alone.
 */
import * as tf from "@tensorflow/tfjs-core";
import { aliasOf } from "../engine/alias.js";
import { hasGradientOfFirstOutput } from "../engine/fused/fused.js";
import { EngineError } from "../errors.js";

/** A kernel call as TF.js notes it. */
interface TapeNode {
  readonly kernelName: string;
  readonly inputs: tf.NamedTensorMap;
  readonly outputs: readonly tf.Tensor[];
  readonly saved?: readonly tf.Tensor[];
  readonly gradient?: (dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
}

/** The part of TF.js's engine that its types keep to themselves. */
interface Taping {
  startTape(): void;
  endTape(): void;
  /** What a gradient will ask for, kept until the tape ends. */
  saveTensorsForBackwardMode: (tensors: readonly tf.Tensor[]) => tf.Tensor[];
  readonly state: { activeTape: TapeNode[] | null; readonly gradientDepth: number; kernelDepth: number };
}

/** A node with the names of those of its inputs that gradients flow into. */
interface Step {
  readonly node: TapeNode;
  readonly names: readonly string[];
}

/**
 * Runs `f` and differentiates its result.
 *
 * @param f synchronous, returns a scalar
 * @param xs tensors that `f` may use
 * @returns the result, and for each of `xs` its gradient, undefined where the result does not depend on it. Whatever else
 *   was made is freed, also where `f` throws.
 * @throws EngineError `ERR_NO_GRADIENT` where a kernel on the way has none
 */
export function valueAndGradients(
  f: () => tf.Scalar,
  xs: readonly tf.Tensor[],
): { value: tf.Scalar; grads: (tf.Tensor | undefined)[] } {
  const taping = tf.engine() as unknown as Taping;
  taping.startTape();
  const tape = taping.state.activeTape ?? [];
  const savesTensors = taping.saveTensorsForBackwardMode;
  taping.saveTensorsForBackwardMode = (tensors) => tensors.map(share);
  try {
    let value: tf.Scalar;
    try {
      value = tf.tidy("forward", f);
    } finally {
      taping.saveTensorsForBackwardMode = savesTensors;
      taping.endTape();
    }
    const steps = stepsBetween(tape, xs, value);
    const gradients = new Map<number, tf.Tensor>();
    tf.tidy("backward", () => {
      gradients.set(value.id, tf.ones([]));
      for (const step of steps.reverse()) backpropagate(step, gradients);
      return xs.flatMap(({ id }) => gradients.get(id) ?? []);
    });
    return { value, grads: xs.map(({ id }) => gradients.get(id)) };
  } finally {
    if (taping.state.gradientDepth === 0) {
      for (const { saved = [] } of tape) for (const tensor of saved) tensor.dispose();
      taping.state.activeTape = null;
    }
  }
}

/**
 * Runs `f` without noting it for gradients, as PyTorch's `no_grad` does: what it gives counts as constant.
 *
 * @param f synchronous
 */
export function noGrad<T>(f: () => T): T {
  const { state } = tf.engine() as unknown as Taping;
  state.kernelDepth++; // TF.js notes nothing that happens within a kernel
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}

/**
 * Another tensor over the same elements, kept from scopes. On the tape it is the same tensor: what flows into it, where a
 * gradient is differentiated in turn, flows into the original. TF.js calls a kernel for that, a third of all calls of a step.
 */
function share(tensor: tf.Tensor): tf.Tensor {
  return tf.keep(Object.assign(aliasOf(tensor), { id: tensor.id }));
}

/** The nodes by which `y` depends on any of `xs`, in the order of the tape. */
function stepsBetween(tape: readonly TapeNode[], xs: readonly tf.Tensor[], y: tf.Tensor): Step[] {
  const fromX = new Set(xs.map(({ id }) => id));
  const candidates: Step[] = [];
  for (const node of tape) {
    const names = Object.keys(node.inputs).filter((name) => fromX.has(node.inputs[name]!.id));
    if (names.length === 0) continue;
    candidates.push({ node, names });
    for (const { id } of node.outputs) fromX.add(id);
  }
  const toY = new Set([y.id]);
  const steps: Step[] = [];
  for (const step of candidates.reverse()) {
    if (!step.node.outputs.some(({ id }) => toY.has(id))) continue;
    steps.push(step);
    for (const name of step.names) toY.add(step.node.inputs[name]!.id);
  }
  return steps.reverse();
}

/** Adds what flows through a node to the gradients of its inputs, by the ids of the tensors. */
function backpropagate({ node, names }: Step, gradients: Map<number, tf.Tensor>): void {
  const { kernelName, gradient, inputs, outputs } = node;
  const dys = outputs.map(({ id }) => gradients.get(id) ?? null);
  // TF.js makes zeros in place of what is missing, as large as the outputs. What nobody looks at may be anything.
  if (hasGradientOfFirstOutput(kernelName)) dys.fill(dys[0] ?? null, 1);
  const inputGradients = gradient?.(dys);
  for (const name of names) {
    const x = inputs[name]!;
    const compute = inputGradients?.[name];
    if (compute === undefined) {
      throw new EngineError(
        "ERR_NO_GRADIENT",
        `The kernel ${kernelName} has no gradient with respect to its input "${name}" of shape [${x.shape.join(", ")}]. ` +
          "Use another operator, or keep parameters out of what enters it.",
      );
    }
    const dx = tf.tidy(compute);
    if (dx.dtype !== "float32" || !tf.util.arraysEqual(dx.shape, x.shape)) {
      throw new EngineError(
        "ERR_GRADIENT_SHAPE",
        `The gradient of ${kernelName} with respect to its input "${name}" should be float32 [${x.shape.join(", ")}], ` +
          `but is ${dx.dtype} [${dx.shape.join(", ")}]. The function that computes it is wrong.`,
      );
    }
    const before = gradients.get(x.id);
    gradients.set(x.id, before === undefined ? dx : tf.add(before, dx));
    before?.dispose();
  }
}
