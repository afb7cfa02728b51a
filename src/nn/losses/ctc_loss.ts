/** Connectionist temporal classification (Graves et al., 2006): the likelihood of labels whose places in time are unknown. */
import * as tf from "@tensorflow/tfjs-core";
import { ctcOrigins, ctcWalk, type CtcVisits } from "../../engine/fused/ctc_walk.js";
import { canFuse, runFused } from "../../engine/fused/fused.js";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";

/** Options of `ctcLoss`. */
export interface CtcLossOptions {
  /** The class that stands for "no label here". Default: 0. */
  blank?: number;
  /**
   * `none`: a loss for each sample; `sum`: their sum; `mean`: each divided by its target's length (by 1 for an empty
   * one), then averaged. Default: `mean`.
   */
  reduction?: "none" | "mean" | "sum";
  /** Whether a sample whose target cannot be reached has loss and gradient 0 instead of infinity and NaN. Default: false. */
  zeroInfinity?: boolean;
}

type Lengths = tf.Tensor | readonly number[];

/** The logarithm of zero. Finite, so that no difference of two of them is NaN. */
const NEVER = -1e30;

/**
 * Minus the log likelihood of each target, over all alignments, as in PyTorch. Everything that may differ between batches
 * enters as a tensor: batches of one shape share one graph. A label outside the classes or a length outside the array
 * makes the sample's loss NaN, since looking at the values here would stop the recording of the step.
 *
 * The gradient is that of the loss in `logProbs` themselves. PyTorch's adds exp(logProbs) to it; behind a log-softmax,
 * which belongs there, both give the logits the same gradient.
 *
 * @param logProbs float32 [frames, batch, classes], logarithms of probabilities
 * @param targets int32 [batch, maxTargetLength]; what is beyond a target's length is ignored
 * @param inputLengths int32 [batch], the frames of each sample
 * @param targetLengths int32 [batch], the labels of each sample
 * @returns a float32 scalar, or [batch] for the reduction `none`
 * @throws ConfigurationError `ERR_SHAPE` if the shapes do not fit, `ERR_CTC_BLANK` for a blank that is no class
 */
export function ctcLoss(
  logProbs: tf.Tensor,
  targets: tf.Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  { blank = 0, reduction = "mean", zeroInfinity = false }: CtcLossOptions = {},
): tf.Tensor {
  checkInputs(logProbs, targets, inputLengths, targetLengths, blank);
  return tf.tidy(() => {
    const lengths = { input: lengthTensor(inputLengths), target: lengthTensor(targetLengths) };
    const alignment = describeTargets(logProbs.shape, targets, lengths, blank);
    const losses = negativeLogLikelihood(logProbs, alignment, zeroInfinity);
    if (reduction === "none") return losses;
    if (reduction === "sum") return tf.sum(losses);
    return tf.mean(tf.div(losses, tf.maximum(tf.cast(lengths.target, "float32"), 1)));
  });
}

/**
 * What the recursions need to know of the targets. A target of S labels has 2S + 1 states: its labels with a blank around
 * each.
 */
interface Alignment {
  /** int32 [states, batch]: the class of each state. */
  states: tf.Tensor;
  /** float32 [batch]: 0, or NaN for samples with a label or a length that cannot be. */
  invalid: tf.Tensor;
  /** bool [frames, 1, batch]: whether a frame is one of the sample's, and not behind its end. */
  active: tf.Tensor;
  /** int32 [batch]: the last of the states that are the sample's own. */
  lastState: tf.Tensor;
}

function describeTargets(
  [frames, batch, classes]: number[],
  targets: tf.Tensor,
  lengths: { input: tf.Tensor; target: tf.Tensor },
  blank: number,
): Alignment {
  const given = targets.shape[1] === 0 ? tf.fill([batch!, 1], blank, "int32") : targets;
  const maxLength = given.shape[1]!;
  const within = tf.less(range(maxLength, [1, -1]), tf.reshape(lengths.target, [-1, 1]));
  const blanks = tf.fill([batch!, maxLength], blank, "int32");
  const labels = tf.where(within, given, blanks);
  const known = tf.logicalAnd(tf.greaterEqual(labels, int32(0)), tf.less(labels, int32(classes!)));
  const pairs = tf.reshape(tf.stack([blanks, tf.where(known, labels, blanks)], 2), [batch!, 2 * maxLength]);
  const states = tf.concat([pairs, tf.fill([batch!, 1], blank, "int32")], 1);
  const fits = tf.logicalAnd(isBetween(lengths.input, frames!), isBetween(lengths.target, targets.shape[1]!));
  const valid = tf.logicalAnd(tf.all(known, 1), fits);
  return {
    states: tf.transpose(states),
    invalid: tf.where(valid, tf.zeros([batch!]), tf.fill([batch!], NaN)),
    active: tf.less(range(frames!, [-1, 1, 1]), lengths.input),
    lastState: tf.mul(lengths.target, int32(2)),
  };
}

/** Losses [batch]. */
function negativeLogLikelihood(logProbs: tf.Tensor, alignment: Alignment, zeroInfinity: boolean): tf.Tensor {
  const [, batch, classes] = logProbs.shape as [number, number, number];
  const { states, invalid, active } = alignment;
  const operation = tf.customGrad((...inputs) => {
    const [given, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
    const { before, after, shifts, last } = walk(emissionsOf(given, alignment), alignment);
    const [, backwards] = tf.split(shifts, 2, 1);
    // Backwards all samples end in the same frame: the first, in its first or second state.
    const reached = logSumExp(tf.slice(last, [states.shape[0], 0], [2, -1]));
    const logLikelihood = tf.add(tf.add(reached, tf.sum(backwards!, [0, 1])), invalid);
    const impossible = tf.less(logLikelihood, NEVER / 10);
    // Each frame's own sum, rather than the likelihood, keeps shifts and the rounding of long sums out of the gradient.
    const posterior = tf.softmax(tf.transpose(tf.add(before, after), [2, 0, 1]));
    save([posterior, impossible, states, tf.cast(active, "float32"), invalid]);
    const value = tf.where(impossible, constant(zeroInfinity ? 0 : Infinity, batch), tf.neg(logLikelihood));
    return { value, gradFunc: gradient };
  });

  /** Minus the probability that a frame shows a class, given the target. */
  function gradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor {
    const [posterior, impossible, labels, frameMask, wrong] = saved as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const slope = tf.where(impossible, constant(zeroInfinity ? 0 : NaN, batch), tf.sub(wrong, dy));
    // A product with ones and zeros: sums by index would go over the elements one by one.
    const isClass = tf.cast(
      tf.equal(tf.expandDims(tf.transpose(labels), 2), range(classes, [1, 1, -1])),
      "float32",
    );
    const perClass = tf.transpose(tf.matMul(posterior, isClass), [1, 0, 2]);
    return tf.mul(perClass, tf.transpose(tf.mul(frameMask, slope), [0, 2, 1]));
  }
  return operation(logProbs);
}

/**
 * The log probability of each state's class, [frames, states, batch]. Behind a sample's end there is nothing but its last
 * state, which costs nothing: there the way back begins.
 */
function emissionsOf(logProbs: tf.Tensor, { states, active, lastState }: Alignment): tf.Tensor {
  const [frames, batch, classes] = logProbs.shape as [number, number, number];
  const perClass = tf.reshape(tf.transpose(logProbs, [1, 2, 0]), [batch * classes, frames]);
  const rows = tf.reshape(tf.add(states, tf.mul(range(batch, [1, -1]), int32(classes))), [-1]);
  const perState = tf.transpose(tf.gather(perClass, rows));
  const emissions = tf.reshape(tf.maximum(perState, NEVER), [frames, ...states.shape]);
  return tf.where(active, emissions, startIn(lastState, states.shape[0]));
}

/** A state is reached from itself, from the one before and, where both are different labels, from the one before that. */
function walk(emissions: tf.Tensor, { states, lastState }: Alignment): CtcVisits {
  const [numStates, batch] = states.shape as [number, number];
  const firstState = tf.zeros([batch], "int32");
  const start = tf.concat([startIn(firstState, numStates), startIn(lastState, numStates)]);
  const both = tf.concat([states, states]);
  const skipped = tf.gather(both, tf.tensor1d(ctcOrigins(numStates).slice(4 * numStates), "int32"));
  const barred = tf.cast(tf.equal(both, skipped), "float32");
  const outermost = Array.from({ length: 2 * numStates }, (_, state) => {
    return state === 0 || state === 2 * numStates - 1 ? NEVER : 0;
  });
  const stay = tf.zeros([1, 2 * numStates, batch]);
  const step = tf.tile(tf.tensor3d(outermost, [1, 2 * numStates, 1]), [1, 1, batch]);
  const moves = tf.concat([stay, step, tf.expandDims(tf.mul(barred, NEVER), 0)]);
  return ctcWalk({ start, emissions, moves });
}

/** float32 [states, batch]: the logarithm of 1 for one state of each sample, and of 0 for all others. */
function startIn(state: tf.Tensor, numStates: number): tf.Tensor {
  return tf.mul(tf.cast(tf.notEqual(range(numStates, [-1, 1]), state), "float32"), NEVER);
}

/** Over the first axis. */
function logSumExp(x: tf.Tensor): tf.Tensor {
  return canFuse(x) ? runFused("LogSumExp", { x }, { axis: [0] }) : tf.logSumExp(x, 0);
}

function isBetween(lengths: tf.Tensor, most: number): tf.Tensor {
  return tf.logicalAnd(tf.greaterEqual(lengths, int32(0)), tf.lessEqual(lengths, int32(most)));
}

function range(length: number, shape: number[]): tf.Tensor {
  return tf.tensor(
    Int32Array.from({ length }, (_, i) => i),
    shape.map((size) => (size === -1 ? length : size)),
  );
}

function int32(value: number): tf.Scalar {
  return tf.scalar(value, "int32");
}

function constant(value: number, length: number): tf.Tensor {
  return tf.fill([length], value, "float32");
}

function lengthTensor(lengths: Lengths): tf.Tensor {
  return lengths instanceof tf.Tensor ? lengths : tf.tensor1d([...lengths], "int32");
}

function checkInputs(
  logProbs: tf.Tensor,
  targets: tf.Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  blank: number,
): void {
  const [frames, batch, classes] = logProbs.shape;
  const isInt = (x: Lengths): boolean => !(x instanceof tf.Tensor) || x.dtype === "int32";
  const shapeOf = (x: Lengths): readonly number[] => (x instanceof tf.Tensor ? x.shape : [x.length]);
  const fits =
    logProbs.rank === 3 &&
    frames > 0 &&
    targets.rank === 2 &&
    targets.dtype === "int32" &&
    targets.shape[0] === batch &&
    [inputLengths, targetLengths].every((x) => isInt(x) && tf.util.arraysEqual([...shapeOf(x)], [batch]));
  if (!fits) {
    throw new ConfigurationError(
      "ERR_SHAPE",
      "ctcLoss takes logProbs [frames, batch, classes] and, as int32, targets [batch, maxTargetLength] and two lengths " +
        `[batch]; it got ${formatShape(logProbs.shape)}, ${targets.dtype} ${formatShape(targets.shape)}, ` +
        `${formatShape(shapeOf(inputLengths))} and ${formatShape(shapeOf(targetLengths))}. Pad targets to one length.`,
    );
  }
  if (!Number.isInteger(blank) || blank < 0 || blank >= classes!) {
    throw new ConfigurationError(
      "ERR_CTC_BLANK",
      `ctcLoss's blank is one of the classes 0 to ${classes! - 1}, not ${blank}.`,
    );
  }
}
