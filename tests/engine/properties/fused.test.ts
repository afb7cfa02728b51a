/** Fused operators against their composition on TF.js's cpu backend, values and gradients, on any shape and layout. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import { ctcWalk } from "../../../src/engine/fused/ctc_walk.js";
import { fusedGru } from "../../../src/engine/fused/gru.js";
import { fusedSquaredSums } from "../../../src/engine/fused/squared_sums.js";
import { batchNormInference, runningStatistics } from "../../../src/nn/functional/batch_norm.js";
import { projections } from "../../../src/nn/functional/linear.js";
import * as nn from "../../../src/nn/index.js";
import { expectAgreement, fullShapes, holds, tensorOf } from "../../support/arbitraries.js";
import type { Argument, Operation } from "../../support/compare_backends.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

const size = fc.integer({ min: 1, max: 6 });
const close = { tolerance: 2e-4 };

/** A picture or matrix whose last axis has this many elements, in groups of 4 if they are whole. */
const wide = fc
  .tuple(fullShapes(1, 3), fc.constantFrom(4, 8, 16, 12))
  .chain(([rows, width]) =>
    fc.record({ x: tensorOf([...rows, width]), width: fc.constant(width), rows: fc.constant(rows) }),
  );

describe("normalisations", () => {
  const norms: Record<string, (width: number) => Operation> = {
    batchNorm: () => (x, g, b) => nn.batchNorm(x, g, b, 0.1).output,
    layerNorm: (width) => (x, g, b) => nn.layerNorm(x, [width], { weight: g, bias: b, eps: 0.1 }),
    groupNorm: () => (x, g, b) => nn.groupNorm(x, 4, { weight: g, bias: b, eps: 0.1 }),
  };
  it.each(Object.keys(norms))("%s", (name) => {
    holds(wide, ({ x, width }) => {
      expectAgreement(norms[name]!(width), [x, { shape: [width] }, { shape: [width] }], close);
    });
  });
});

describe("recurrent units", () => {
  it("both directions, sequences of any length", () => {
    const inputs = fc.record({
      frames: size,
      lengths: fc.array(size, { minLength: 1, maxLength: 3 }),
      width: size,
      hidden: fc.integer({ min: 1, max: 4 }),
      reverse: fc.boolean(),
    });
    holds(inputs, ({ frames, lengths, width, hidden, reverse }) => {
      const [batch, gates] = [lengths.length, 3 * hidden];
      const shapes = [
        [frames, batch, width],
        [gates, width],
        [gates, hidden],
        [gates],
        [gates],
        [batch, hidden],
      ];
      const ends = lengths.map((length) => Math.min(length, frames));
      const operation: Operation = (x, weightIh, weightHh, biasIh, biasHh, h0) => {
        const given = { x, weightIh: weightIh, weightHh: weightHh, biasIh: biasIh, biasHh: biasHh };
        return fusedGru({ ...given, h0: h0, lengths: tf.tensor1d(ends, "int32") }, reverse);
      };
      const args = shapes.map((shape): Argument => ({ shape }));
      expectAgreement(operation, args, close);
    });
  });
});

describe("CTC's recursion", () => {
  it("any number of frames, states and sequences", () => {
    holds(fc.tuple(size, size, size), ([frames, states, sequences]) => {
      const shapes = [
        [2 * states, sequences],
        [frames, states, sequences],
        [3, 2 * states, sequences],
      ];
      const args = shapes.map((shape): Argument => ({ shape, low: -4, high: 0 }));
      for (const part of ["before", "after", "shifts", "last"] as const) {
        const operation: Operation = (start, emissions, moves) => ctcWalk({ start, emissions, moves })[part];
        expectAgreement(operation, args, { gradients: false, ...close });
      }
    });
  });
});

describe("batch norm with given statistics", () => {
  const spread: Argument = { shape: [], low: 0.2, high: 2 };

  it("as TF.js has it, on any layout", () => {
    holds(wide, ({ x, width }) => {
      const vectors = [
        { shape: [width] },
        { ...spread, shape: [width] },
        { shape: [width] },
        { shape: [width] },
      ];
      const operation: Operation = (a, mean, variance, beta, gamma) => {
        const picture = tf.reshape<tf.Rank.R4>(a, [1, 1, -1, width]);
        const vector = (v: tf.Tensor | undefined): tf.Tensor1D => v as tf.Tensor1D;
        return tf.batchNorm(picture, vector(mean), vector(variance), vector(beta), vector(gamma), 0.1);
      };
      expectAgreement(operation, [x, ...vectors], close);
    });
  });

  it("in one factor and one offset, of plain and of blocked pictures", () => {
    const inputs = fc.tuple(size, size, fc.constantFrom(3, 8, 16), fc.boolean());
    holds(inputs, ([height, width, channels, convolves]) => {
      const operation: Operation = (x, mean, variance, gamma, beta, filter) => {
        const before = convolves ? tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same") : x;
        return batchNormInference(before, mean, variance, gamma, beta, 0.1);
      };
      const x = { shape: [2, height, width, channels] };
      const vector = { shape: [channels] };
      const filter = { shape: [3, 3, channels, channels], low: -0.3, high: 0.3 };
      const others = [vector, { ...spread, ...vector }, vector, vector, filter];
      expectAgreement(operation, [x, ...others], { gradients: false, ...close });
      // No gradient flows into the statistics.
      const statistics = [0, 1].map(() =>
        tf.add(
          tf.ones([channels]),
          tf.rand([channels], () => 0.5),
        ),
      );
      expectAgreement(
        (a, gamma, beta) => batchNormInference(a, statistics[0]!, statistics[1]!, gamma, beta, 0.1),
        [x, vector, vector],
        close,
      );
    });
  });

  it("moves its running statistics", () => {
    holds(fc.tuple(size, fc.constantFrom(0.1, 0.5, 1)), ([channels, momentum]) => {
      const vector = { shape: [channels] };
      const operation: Operation = (mean, variance, batchMean, batchVariance) => {
        const batch = { mean: batchMean, variance: batchVariance };
        const batches = tf.scalar(channels, "int32");
        const moved = runningStatistics({ mean, variance, batches }, batch, momentum, 1.25);
        return tf.concat([moved.mean, moved.variance, tf.reshape(tf.cast(moved.batches, "float32"), [1])]);
      };
      expectAgreement(operation, [vector, vector, vector, vector], { gradients: false });
    });
  });
});

describe("activations", () => {
  it.each<[string, Operation]>([
    ["gelu", (x) => nn.gelu(x)],
    ["gelu with tanh", (x) => nn.gelu(x, { approximate: "tanh" })],
    ["silu", (x) => nn.silu(x)],
  ])("%s", (_name, operation) => {
    holds(
      fullShapes().chain((shape) => tensorOf(shape, { low: -6, high: 6 })),
      (x) => expectAgreement(operation, [x], close),
    );
  });
});

describe("sums of squares", () => {
  it("of one and of several tensors, in any layout", () => {
    holds(
      fullShapes(0, 4).chain((shape) => tensorOf(shape)),
      (x) => {
        const layouts = x.shape.map((_, axis) => axis).reverse();
        const sums: Operation = (x) => tf.stack(fusedSquaredSums([x, tf.transpose(x, layouts), tf.sin(x)]));
        expectAgreement(sums, [x], { ...close, gradients: false });
      },
    );
  });
  it("of many elements, which are summed row by row", () => {
    const large: Operation = (x) =>
      tf.stack(fusedSquaredSums([x, tf.reshape(x, [1, -1]), tf.reshape(x, [-1])]));
    expectAgreement(large, [{ shape: [70, 3, 100] }], { ...close, gradients: false });
  });
});

describe("products", () => {
  it("linear, with and without bias", () => {
    holds(fc.tuple(wide, size, fc.boolean()), ([{ x, width }, outputs, hasBias]) => {
      const bias: Argument[] = hasBias ? [{ shape: [outputs] }] : [];
      expectAgreement((a, w, b) => nn.linear(a, w, b), [x, { shape: [outputs, width] }, ...bias], close);
    });
  });

  it("three projections of one input", () => {
    holds(fc.tuple(wide, size, size, fc.boolean()), ([{ x, width }, outputs, valueOutputs, hasBias]) => {
      const lengths = [outputs, outputs, valueOutputs];
      const weights = lengths.map((out) => ({ shape: [out, width] }));
      const biases = hasBias ? lengths.map((out) => ({ shape: [out] })) : [];
      const operation: Operation = (a, u, v, w, ...rest) => {
        const three = hasBias ? (rest as [tf.Tensor, tf.Tensor, tf.Tensor]) : undefined;
        return tf.concat(projections(a, [u, v, w], three), -1);
      };
      expectAgreement(operation, [x, ...weights, ...biases], close);
    });
  });

  it("attention, causal or masked", () => {
    const inputs = fc
      .tuple(fullShapes(0, 2), size, size, size, size)
      .chain(([outer, queries, keys, width, valueWidth]) =>
        fc.record({
          query: tensorOf([...outer, queries, width]),
          key: tensorOf([...outer, keys, width]),
          value: tensorOf([...outer, keys, valueWidth]),
          mask: fc.option(tensorOf([queries, keys]), { nil: undefined }),
          isCausal: fc.boolean(),
        }),
      );
    holds(
      inputs,
      ({ query, key, value, mask, isCausal }) => {
        const operation: Operation = (q, k, v, m) =>
          nn.scaledDotProductAttention(q, k, v, m === undefined ? { isCausal } : { attnMask: m });
        expectAgreement(operation, [query, key, value, ...(mask === undefined ? [] : [mask])], close);
      },
      15,
    );
  });
});

describe("losses and tables", () => {
  it("cross-entropy of labels", () => {
    holds(wide, ({ x, width, rows }) => {
      const labels: Argument = { shape: rows, dtype: "int32", low: 0, high: width };
      expectAgreement((a, t) => nn.softmaxCrossEntropy(a, t), [x, labels], close);
    });
  });

  it("cross-entropy of shares", () => {
    holds(wide, ({ x, width, rows }) => {
      expectAgreement(
        (a, t) => nn.softmaxCrossEntropy(a, t),
        [x, { shape: [...rows, width], low: 0 }],
        close,
      );
    });
  });

  it("connectionist temporal classification", () => {
    const inputs = fc
      .record({ batch: fc.integer({ min: 1, max: 3 }), frames: size, labels: fc.integer({ min: 1, max: 3 }) })
      .chain(({ batch, frames, labels }) =>
        fc.record({
          shape: fc.constant([batch, frames, labels] as const),
          inputLengths: fc.array(fc.integer({ min: 1, max: frames }), { minLength: batch, maxLength: batch }),
          targetLengths: fc.array(fc.nat(labels), { minLength: batch, maxLength: batch }),
        }),
      );
    holds(
      inputs,
      ({ shape: [batch, frames, labels], inputLengths, targetLengths }) => {
        const operation: Operation = (logits, targets) =>
          nn.ctcLoss(tf.logSoftmax(logits), targets, inputLengths, targetLengths, { zeroInfinity: true });
        const targets: Argument = { shape: [batch, labels], dtype: "int32", low: 1, high: 4 };
        expectAgreement(operation, [{ shape: [frames, batch, 4] }, targets], close);
      },
      6,
    );
  });

  it("embedding, with a row that is not trained", () => {
    const inputs = fc.tuple(size, size, fullShapes(0, 3), fc.integer({ min: -1, max: 5 }));
    holds(inputs, ([count, width, shape, padding]) => {
      const options = padding >= 0 && padding < count ? { paddingIdx: padding } : {};
      expectAgreement(
        (w, i) => nn.embedding(i, w as tf.Tensor2D, options),
        [{ shape: [count, width] }, { shape, dtype: "int32", low: 0, high: count }],
      );
    });
  });
});

provesCoverage("fused");
