/**
 * The two recurrent layers that nearly all models have, with gradients of their own: what does not depend on the next step
 * is computed for all steps at once, and the gradient of the weights is one product rather than a sum of as many as there
 * are steps.
 */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../../nn/functional/linear.js";

/** Over all steps of a batch. */
export interface Pass {
  /** What the inputs give to the gates, [time, batch, gates · hidden]. */
  gates: tf.Tensor;
  /** [gates · hidden, hidden] */
  recurrence: tf.Tensor;
  /** [gates · hidden] */
  bias: tf.Tensor;
  /** Each state before the first step, [batch, hidden]. */
  initial: readonly tf.Tensor[];
}

export interface PassResult {
  /** [time, batch, hidden] */
  outputs: tf.Tensor;
  /** Each state after the last step, [batch, hidden]. */
  last: tf.Tensor[];
}

type Save = tf.GradSaveFunc;

/** s' for s = sigmoid(x), and for t = tanh(x). */
const ofSigmoid = (s: tf.Tensor): tf.Tensor => tf.mul(s, tf.sub(1, s));
const ofTanh = (t: tf.Tensor): tf.Tensor => tf.sub(1, tf.square(t));

/** An LSTM (Hochreiter and Schmidhuber, 1997) whose gates are in ONNX's order: input, output, forget, cell. */
export function lstmPass({ gates, recurrence, bias, initial }: Pass): PassResult {
  const steps = gates.shape[0];
  const operation = tf.customGrad((...given) => {
    const [x, weight, offset, h0, c0, save] = given as unknown as [...FiveTensors, Save];
    const size = h0.shape[1]!;
    let [hidden, cell]: tf.Tensor[] = [h0, c0];
    const kept = {
      open: [] as tf.Tensor[],
      fresh: [] as tf.Tensor[],
      cells: [] as tf.Tensor[],
      hiddens: [] as tf.Tensor[],
    };
    for (const input of tf.unstack(x)) {
      const sums = tf.add(input, linear(hidden!, weight, offset));
      const [forGates, forCell] = tf.split(sums, [3 * size, size], 1) as [tf.Tensor, tf.Tensor];
      const open = tf.sigmoid(forGates);
      const fresh = tf.tanh(forCell);
      const [i, o, f] = tf.split(open, 3, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
      cell = tf.add(tf.mul(f, cell!), tf.mul(i, fresh));
      hidden = tf.mul(o, tf.tanh(cell));
      kept.open.push(open);
      kept.fresh.push(fresh);
      kept.cells.push(cell);
      kept.hiddens.push(hidden);
    }
    const cells = tf.stack(kept.cells);
    const value = tf.stack([...kept.hiddens, cell!]);
    save([tf.stack(kept.open), tf.stack(kept.fresh), cells, value, weight, h0, c0]);
    return { value, gradFunc: lstmGradient };
  });
  const all = operation(gates, recurrence, bias, initial[0]!, initial[1]!);
  const [outputs, cell] = tf.split(all, [steps, 1], 0) as [tf.Tensor, tf.Tensor];
  return { outputs, last: [lastOf(outputs), tf.squeeze(cell, [0])] };
}

type FiveTensors = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

function lstmGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [open, fresh, cells, value, weight, h0, c0] = saved as [...FiveTensors, tf.Tensor, tf.Tensor];
  const steps = open.shape[0];
  const [i, o, f] = tf.split(open, 3, 2) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const bounded = tf.tanh(cells);
  const slopes = tf.concat(
    [
      tf.mul(fresh, ofSigmoid(i)),
      tf.mul(bounded, ofSigmoid(o)),
      tf.mul(before(c0, cells), ofSigmoid(f)),
      tf.mul(i, ofTanh(fresh)),
    ],
    2,
  );
  const [perGate, toCell, forgotten] = [slopes, tf.mul(o, ofTanh(bounded)), f].map((each) =>
    tf.unstack(each),
  ) as [tf.Tensor[], tf.Tensor[], tf.Tensor[]];
  const given = tf.unstack(dy);
  const back = tf.transpose(weight);
  const dgates: tf.Tensor[] = new Array<tf.Tensor>(steps);
  let dhidden: tf.Tensor = tf.zerosLike(h0);
  let dcell = given[steps]!;
  for (let step = steps - 1; step >= 0; step--) {
    const dh = tf.add(given[step]!, dhidden);
    const dc = tf.add(dcell, tf.mul(dh, toCell[step]!));
    const dgate = tf.mul(tf.concat([dc, dh, dc, dc], 1), perGate[step]!);
    dgates[step] = dgate;
    dhidden = linear(dgate, back);
    dcell = tf.mul(dc, forgotten[step]!);
  }
  const dx = tf.stack(dgates);
  const hiddens = tf.slice(value, 0, steps);
  return [dx, weightGradient(dx, before(h0, hiddens)), tf.sum(dx, [0, 1]), dhidden, dcell];
}

/** A GRU (Cho et al., 2014) whose reset gate acts on the product, as PyTorch's does. Gates: update, reset, hidden. */
export function gruPass({ gates, recurrence, bias, initial }: Pass): PassResult {
  const operation = tf.customGrad((...given) => {
    const [x, weight, offset, h0, save] = given as unknown as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      Save,
    ];
    const size = h0.shape[1]!;
    let hidden: tf.Tensor = h0;
    const kept = {
      open: [] as tf.Tensor[],
      fresh: [] as tf.Tensor[],
      products: [] as tf.Tensor[],
      hiddens: [] as tf.Tensor[],
    };
    for (const input of tf.unstack(x)) {
      const [inGates, inFresh] = tf.split(input, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
      const products = tf.split(linear(hidden, weight, offset), [2 * size, size], 1) as [
        tf.Tensor,
        tf.Tensor,
      ];
      const open = tf.sigmoid(tf.add(inGates, products[0]));
      const [z, r] = tf.split(open, 2, 1) as [tf.Tensor, tf.Tensor];
      const fresh = tf.tanh(tf.add(inFresh, tf.mul(r, products[1])));
      hidden = tf.add(fresh, tf.mul(z, tf.sub(hidden, fresh)));
      kept.open.push(open);
      kept.fresh.push(fresh);
      kept.products.push(products[1]);
      kept.hiddens.push(hidden);
    }
    const value = tf.stack(kept.hiddens);
    save([tf.stack(kept.open), tf.stack(kept.fresh), tf.stack(kept.products), value, weight, h0]);
    return { value, gradFunc: gruGradient };
  });
  const outputs = operation(gates, recurrence, bias, initial[0]!);
  return { outputs, last: [lastOf(outputs)] };
}

function gruGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [open, fresh, products, value, weight, h0] = saved as [...FiveTensors, tf.Tensor];
  const steps = open.shape[0];
  const [z, r] = tf.split(open, 2, 2) as [tf.Tensor, tf.Tensor];
  const hiddens = before(h0, value);
  const all = [
    tf.mul(tf.sub(hiddens, fresh), ofSigmoid(z)),
    tf.mul(tf.sub(1, z), ofTanh(fresh)),
    tf.mul(products, ofSigmoid(r)),
    z,
    r,
    dy,
  ];
  const [toUpdate, toFresh, toReset, updates, resets, given] = all.map((each) => tf.unstack(each)) as [
    tf.Tensor[],
    tf.Tensor[],
    tf.Tensor[],
    tf.Tensor[],
    tf.Tensor[],
    tf.Tensor[],
  ];
  const back = tf.transpose(weight);
  const dgates: tf.Tensor[] = new Array<tf.Tensor>(steps);
  const dproducts: tf.Tensor[] = new Array<tf.Tensor>(steps);
  let dhidden: tf.Tensor = tf.zerosLike(h0);
  for (let step = steps - 1; step >= 0; step--) {
    const dh = tf.add(given[step]!, dhidden);
    const dz = tf.mul(dh, toUpdate[step]!);
    const dn = tf.mul(dh, toFresh[step]!);
    const dr = tf.mul(dn, toReset[step]!);
    dgates[step] = tf.concat([dz, dr, dn], 1);
    dproducts[step] = tf.concat([dz, dr, tf.mul(dn, resets[step]!)], 1);
    dhidden = tf.add(tf.mul(dh, updates[step]!), linear(dproducts[step]!, back));
  }
  const dproduct = tf.stack(dproducts);
  return [tf.stack(dgates), weightGradient(dproduct, hiddens), tf.sum(dproduct, [0, 1]), dhidden];
}

/** The states before each step. */
function before(first: tf.Tensor, states: tf.Tensor): tf.Tensor {
  const head = tf.expandDims(first, 0);
  const count = states.shape[0] - 1;
  return count === 0 ? head : tf.concat([head, tf.slice(states, 0, count)], 0);
}

function lastOf(states: tf.Tensor): tf.Tensor {
  return tf.squeeze(tf.slice(states, states.shape[0] - 1, 1), [0]);
}

/** Σ over steps and batch of dproduct ⊗ hidden. */
function weightGradient(dproduct: tf.Tensor, hiddens: tf.Tensor): tf.Tensor {
  const rows = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [-1, x.shape[2]!]);
  return tf.matMul(rows(dproduct), rows(hiddens), true, false);
}
