/** Pictures that are resized, cropped, turned and cut into blocks, against TF.js's cpu backend and finite differences. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import { expectAgreement, holds, length, tensorOf } from "../../support/arbitraries.js";
import type { Argument, Operation } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const withoutGradient = { gradients: false };
const picture = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;

/** Pictures in any order of memory. */
const pictures = (
  depth: fc.Arbitrary<number> = fc.constantFrom(1, 3, 8, 16),
  batch = length,
): fc.Arbitrary<Argument> =>
  fc
    .tuple(batch, integer(1, 8), integer(1, 8), depth)
    .chain((shape) => tensorOf(shape))
    .filter(({ shape }) => shape.every((size) => size < 17));

describe("resizing", () => {
  it.each(["resizeBilinear", "resizeNearestNeighbor"] as const)("%s", (name) => {
    const inputs = fc.tuple(pictures(), integer(1, 9), integer(1, 9), integer(0, 2));
    holds(
      inputs,
      ([x, height, width, mode]) => {
        const resize: Operation = (a) => tf.image[name](picture(a), [height, width], mode === 1, mode === 2);
        expectAgreement(resize, [x], withoutGradient);
        // The cpu backend's gradients take one picture's strides for the other's, or exchange height and width.
        if (!x.shape.includes(0)) expectDerivatives(resize, [x], { step: 1 });
      },
      20,
    );
  });
});

describe("reading at positions", () => {
  it("crops and resizes, with boxes that reach beyond the picture", () => {
    const inputs = fc.tuple(
      pictures(),
      integer(1, 4),
      integer(1, 4),
      integer(0, 3),
      fc.constantFrom("bilinear" as const, "nearest" as const),
    );
    holds(
      inputs,
      ([x, height, width, count, method]) => {
        const logical = (x.transposed ?? [0, 1, 2, 3]).map((axis) => x.shape[axis]!);
        if (logical[0] === 0) return;
        expectAgreement(
          (image, boxes, which) =>
            tf.image.cropAndResize(
              picture(image),
              boxes as tf.Tensor2D,
              which as tf.Tensor1D,
              [height, width],
              method,
              0.5,
            ),
          [
            x,
            { shape: [count, 4], low: -0.3, high: 1.3 },
            { shape: [count], dtype: "int32", low: 0, high: logical[0]! },
          ],
          { gradients: false, fallbacks: count === 0 },
        );
      },
      15,
    );
  });

  it("transforms by projections", () => {
    const inputs = fc.tuple(
      pictures(undefined, integer(1, 2)),
      fc.constantFrom("bilinear" as const, "nearest" as const),
      fc.constantFrom("constant" as const, "reflect" as const, "wrap" as const, "nearest" as const),
      fc.option(fc.tuple(integer(1, 6), integer(1, 6)), { nil: undefined }),
    );
    holds(
      inputs,
      ([x, interpolation, mode, size]) => {
        const logical = (x.transposed ?? [0, 1, 2, 3]).map((axis) => x.shape[axis]!);
        expectAgreement(
          (image, moves) => {
            const identity = tf.tensor2d([[1, 0, 0, 0, 1, 0, 0, 0]]);
            const scales = tf.tensor1d([0.5, 0.5, 2, 0.5, 0.5, 2, 0.02, 0.02]);
            const transforms = tf.add<tf.Tensor2D>(identity, tf.mul(moves, scales));
            const transform = (one: tf.Tensor, by: tf.Tensor2D): tf.Tensor =>
              tf.image.transform(picture(one), by, interpolation, mode, 0.5, size);
            if (tf.getBackend() === "onnxruntime") return transform(image, transforms);
            // The cpu backend leaves its loop over the batch after the first picture.
            const each = tf.split(image, image.shape[0]);
            return tf.concat(each.map((one, i) => transform(one, tf.slice(transforms, [i, 0], [1, 8]))));
          },
          [x, { shape: [logical[0]!, 8], low: -1, high: 1 }],
          { gradients: false, tolerance: 2e-4 }, // a position that is rounded moves by 1e-5 of a pixel
        );
      },
      15,
    );
  });

  it("rotates and flips", () => {
    const inputs = fc.tuple(
      pictures(fc.constantFrom(1, 3, 4)),
      integer(-6, 6),
      fc.constantFrom<(number | [number, number])[]>(0.5, [0.2, 0.8]),
    );
    holds(inputs, ([x, angle, center]) => {
      expectAgreement(
        (a) => tf.image.rotateWithOffset(picture(a), angle / 2, 0.25, center),
        [x],
        withoutGradient,
      );
      expectAgreement((a) => tf.image.flipLeftRight(picture(a)), [x], withoutGradient);
    });
  });
});

describe("blocks", () => {
  it("of space go to the batch and back", () => {
    const inputs = fc
      .record({
        batch: integer(1, 2),
        blocks: fc.array(integer(1, 3), { minLength: 1, maxLength: 3 }),
        inner: fc.array(integer(1, 3), { maxLength: 2 }),
      })
      .chain(({ batch, blocks, inner }) =>
        fc.tuple(
          fc.constant(blocks),
          fc.tuple(...blocks.map(() => integer(1, 3))),
          fc.tuple(...blocks.map((size) => integer(0, size - 1))),
          fc.constant(batch),
          fc.constant(inner),
        ),
      );
    holds(
      inputs,
      ([blocks, counts, paddings, batch, inner]) => {
        const pads = paddings.map((pad, i) => [pad, i % 2 === 0 ? 0 : blocks[i]!] as [number, number]);
        const sides = blocks.map((size, i) => counts[i]! * size + size - pads[i]![0] + size - pads[i]![1]);
        const x = { shape: [batch, ...sides, ...inner] };
        expectAgreement((a) => tf.spaceToBatchND(a, blocks, pads), [x]);
        const product = blocks.reduce((all, size) => all * size, 1);
        const crops = blocks.map((size, i) => [Math.min(size - 1, pads[i]![0]), 0] as [number, number]);
        const y = { shape: [batch * product, ...counts, ...inner] };
        expectAgreement((a) => tf.batchToSpaceND(a, blocks, crops), [y]);
      },
      12,
    );
  });

  it("of depth go to space", () => {
    const inputs = fc.tuple(length, integer(1, 3), integer(1, 3), integer(2, 3), integer(1, 3));
    holds(inputs, ([batch, height, width, size, depth]) => {
      const operation: Operation = (a) => tf.depthToSpace(picture(a), size, "NHWC");
      const x = { shape: [batch, height, width, size * size * depth] };
      expectAgreement(operation, [x], withoutGradient);
      if (batch > 0) expectDerivatives(operation, [x], { step: 1 });
    });
  });
});

provesCoverage("sampling");
