/** Fused operators against their composition on TF.js's cpu backend, values and gradients, on any shape and layout. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import * as nn from "../../../src/nn/index.js";
import { expectAgreement, fullShapes, holds, tensorOf } from "../../support/arbitraries.js";
import type { Argument, Operation } from "../../support/compare_backends.js";

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

describe("products", () => {
  it("linear, with and without bias", () => {
    holds(fc.tuple(wide, size, fc.boolean()), ([{ x, width }, outputs, hasBias]) => {
      const bias: Argument[] = hasBias ? [{ shape: [outputs] }] : [];
      expectAgreement((a, w, b) => nn.linear(a, w, b), [x, { shape: [outputs, width] }, ...bias], close);
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
