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
  /** int32 [batch, states]: rows of the log probabilities laid out as [batch · classes, frames]. */
  rows: tf.Tensor;
  /** int32 [batch, states]: the class of each state. */
  states: tf.Tensor;
  /** float32 [batch, states]: 0, or NaN in samples with a label or a length that cannot be. */
  invalid: tf.Tensor;
  /** float32 [frames, 1, batch]: 1 for frames of the sample, 0 behind its end. */
  active: tf.Tensor;
  /** int32 [batch]: how many states of the array lie behind the sample's own. */
  unused: tf.Tensor;
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
  const invalid = tf.where(valid, tf.zeros([batch!]), tf.fill([batch!], NaN));
  return {
    rows: tf.add(states, tf.mul(range(batch!, [-1, 1]), int32(classes!))),
    states,
    invalid: tf.reshape(invalid, [-1, 1]),
    active: tf.cast(tf.less(range(frames!, [-1, 1, 1]), lengths.input), "float32"),
    unused: tf.mul(tf.sub(int32(maxLength), lengths.target), int32(2)),
  };
}

/**
 * Losses [batch]. The probabilities of what comes before and of what comes after each frame and state (the paper's alpha
 * and beta) are one recursion: the second is the first with time and states reversed. So one loop over the frames serves
 * both, on arrays of twice the batch.
 */
function negativeLogLikelihood(logProbs: tf.Tensor, alignment: Alignment, zeroInfinity: boolean): tf.Tensor {
  const [frames, batch, classes] = logProbs.shape as [number, number, number];
  const { rows, active } = alignment;
  const operation = tf.customGrad((...inputs) => {
    const [given, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
    const emissions = emissionsOf(given, alignment);
    const { visits, shifts } = walk(bothWays(emissions), alignment);
    const numStates = rows.shape[1]!;
    const [before, after] = tf.split(visits, 2, 2);
    const last = tf.slice(visits, [frames - 1, Math.max(numStates - 2, 0), batch], [1, -1, -1]);
    const below = tf.sum(tf.slice(shifts, [0, batch]), 0);
    const logLikelihood = tf.add(logSumExp(tf.squeeze(last, [0])), below);
    const impossible = tf.less(logLikelihood, NEVER / 10);
    // Each frame's own sum, rather than the likelihood, keeps shifts and the rounding of long sums out of the gradient.
    const joint = tf.sub(tf.add(before!, tf.reverse(after!, [0, 1])), emissions);
    const posterior = tf.softmax(tf.transpose(joint, [2, 0, 1]));
    save([posterior, impossible, rows, active]);
    const value = tf.where(impossible, constant(zeroInfinity ? 0 : Infinity, batch), tf.neg(logLikelihood));
    return { value, gradFunc: gradient };
  });

  /** Minus the probability that a frame shows a class, given the target. */
  function gradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor {
    const [posterior, impossible, ids, frameMask] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const slope = tf.where(impossible, constant(zeroInfinity ? 0 : NaN, batch), tf.neg(dy));
    const scale = tf.transpose(tf.mul(frameMask, slope), [2, 0, 1]);
    const perState = tf.reshape(tf.transpose(tf.mul(posterior, scale), [0, 2, 1]), [ids.size, frames]);
    const sums = tf.unsortedSegmentSum(perState, tf.reshape(ids, [-1]), batch * classes);
    return tf.transpose(tf.reshape(sums, [batch, classes, frames]), [2, 0, 1]);
  }
  return operation(logProbs);
}

/** The log probability of each state's class, [frames, states, batch]; 0 behind a sample's end. */
function emissionsOf(logProbs: tf.Tensor, { rows, invalid, active }: Alignment): tf.Tensor {
  const perClass = tf.reshape(tf.transpose(logProbs, [1, 2, 0]), [-1, logProbs.shape[0]]);
  const perState = tf.transpose(tf.maximum(tf.gather(perClass, rows), NEVER), [2, 1, 0]);
  return tf.mul(tf.add(perState, tf.transpose(invalid)), active);
}

/**
 * The log probability of all ways to be in a state at a frame, its own emission included. A state is reached from itself,
 * from the one before and, where both are different labels, from the one before that. Behind the end of a sample, which is
 * before the start of its reverse, nothing moves.
 *
 * @param emissions [frames, states, 2 · batch]
 */
function walk(emissions: tf.Tensor, { states, active, unused }: Alignment): CtcVisits {
  const numStates = emissions.shape[1]!;
  const classes = tf.transpose(tf.concat([states, tf.reverse(states, 1)], 0));
  const skipped = tf.gather(classes, tf.tensor1d(ctcOrigins(numStates).slice(2 * numStates), "int32"));
  const barred = tf.cast(tf.equal(classes, skipped), "float32");
  const perState = (cost: (state: number) => number): number[] =>
    Array.from({ length: numStates }, (_, state) => cost(state));
  const none = perState(() => 0);
  const noneBefore = perState((state) => (state === 0 ? NEVER : 0));
  const moves = tf.add(
    tf.tensor3d([none, noneBefore, none].flat(), [3, numStates, 1]),
    tf.mul(barred, tf.tensor3d([0, 0, NEVER], [3, 1, 1])),
  );
  const asleep = tf.expandDims(bothWays(tf.sub(1, active)), 1);
  const frameMoves = tf.mul(asleep, tf.tensor4d([0, NEVER, NEVER], [1, 3, 1, 1]));
  const firstState = tf.concat([tf.zerosLike(unused), unused], 0);
  const elsewhere = tf.notEqual(range(numStates, [-1, 1]), firstState);
  const start = tf.mul(tf.cast(elsewhere, "float32"), NEVER);
  return ctcWalk({ start, emissions, moves, frameMoves });
}

/** Over the first axis. */
function logSumExp(x: tf.Tensor): tf.Tensor {
  return canFuse(x) ? runFused("LogSumExp", { x }, { axis: [0] }) : tf.logSumExp(x, 0);
}

/** [frames, states, batch] as it is, and beside it, along the batch, with frames and states reversed. */
function bothWays(x: tf.Tensor): tf.Tensor {
  return tf.concat([x, tf.reverse(x, [0, 1])], 2);
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
