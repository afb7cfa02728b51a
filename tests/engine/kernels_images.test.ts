/** Kernels of pictures and volumes against TF.js's own cpu backend. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../src/engine/index.js";
import { check, type Case } from "../support/check_kernels.js";
import type { Argument } from "../support/compare_backends.js";

const noGradient = { gradients: false };
const picture: Argument = { shape: [2, 7, 8, 3] };
const tagged: Argument = { shape: [2, 3, 7, 8], transposed: [0, 2, 3, 1] };
const volume: Argument = { shape: [2, 5, 6, 4, 3] };
const image = (tensor: tf.Tensor | undefined): tf.Tensor4D => tensor as tf.Tensor4D;

describe("volumes", () => {
  const as5D = (tensor: tf.Tensor): tf.Tensor5D => tensor as tf.Tensor5D;
  const paddings = ["same", "valid"] as const;
  check([
    ...paddings.flatMap((pad) =>
      [1, 2].map((stride): Case => [
        `conv3d, stride ${stride}, ${pad}`,
        (x, w) => tf.conv3d(as5D(x), as5D(w), stride, pad),
        [volume, { shape: [3, 2, 3, 3, 4] }],
      ]),
    ),
    [
      "conv3dTranspose",
      (x, w) => tf.conv3dTranspose(as5D(x), as5D(w), [2, 10, 12, 8, 2], 2, "same"),
      [volume, { shape: [3, 3, 3, 2, 3] }],
      noGradient,
    ],
    ...paddings.flatMap((pad) =>
      [
        [2, 2],
        [3, 1],
        [3, 2],
      ].flatMap(([size, stride]): Case[] => [
        [`maxPool3d ${size}/${stride} ${pad}`, (x) => tf.maxPool3d(as5D(x), size!, stride!, pad), [volume]],
        [
          `avgPool3d ${size}/${stride} ${pad}`,
          (x) => tf.avgPool3d(as5D(x), size!, stride!, pad),
          [volume],
          { gradients: pad === "valid" },
        ],
      ]),
    ),
  ]);
});

describe("pools", () => {
  check([
    [
      "maxima of volumes without a number",
      (x) => tf.maxPool3d(x as tf.Tensor5D, 2, 2, "same"),
      [{ shape: [2, 5, 6, 4, 3], low: NaN, among: [-Infinity, 3] }],
      noGradient,
    ],
    ["average over all", (x) => tf.avgPool(image(x), [7, 8], 1, "valid"), [tagged]],
    ["average of tiles", (x) => tf.avgPool(image(x), [1, 2], [1, 2], "valid"), [picture]],
    ...(["same", "valid"] as const).flatMap((pad): Case[] => [
      [`maxima, ${pad}`, (x) => tf.maxPoolWithArgmax(image(x), 2, 2, pad).result!, [picture], noGradient],
      [`positions, ${pad}`, (x) => tf.maxPoolWithArgmax(image(x), 3, 2, pad).indexes!, [tagged], noGradient],
      [
        `positions in the batch, ${pad}`,
        (x) => tf.maxPoolWithArgmax(image(x), 3, 2, pad, true).indexes!,
        [picture],
        noGradient,
      ],
    ]),
  ]);
});

describe("resizing", () => {
  // One square picture where gradients are compared: TF.js's cpu kernels mix up the axes and the pictures of others.
  const square: Argument = { shape: [1, 3, 6, 6], transposed: [0, 2, 3, 1] };
  const modes: [string, boolean, boolean][] = [
    ["plain", false, false],
    ["corners", true, false],
    ["half pixels", false, true],
  ];
  const sizes: [number, number][] = [
    [14, 16],
    [5, 3],
    [10, 13],
    [1, 1],
  ];
  check(
    modes.flatMap(([name, corners, half]) =>
      sizes.flatMap((size) => {
        const cases: [string, (x: tf.Tensor) => tf.Tensor][] = [
          ["bilinear", (x) => tf.image.resizeBilinear(image(x), size, corners, half)],
          ["nearest", (x) => tf.image.resizeNearestNeighbor(image(x), size, corners, half)],
        ];
        return cases.flatMap(([method, resize]): Case[] => [
          [`${method} to ${size.join("x")}, ${name}`, (x) => resize(x), [tagged], noGradient],
          // TF.js's cpu gradients also take half pixels for whole ones.
          [
            `${method} of a square to ${size.join("x")}, ${name}`,
            (x) => resize(x),
            [square],
            { gradients: !half },
          ],
        ]);
      }),
    ),
  );

  it.each([
    ["bilinear", tf.image.resizeBilinear],
    ["nearest", tf.image.resizeNearestNeighbor],
  ] as const)("%s of half pixels is linear, and its gradient the transpose", (_name, resize) => {
    void tf.setBackend("onnxruntime");
    const x = tf.tensor4d(
      Array.from({ length: 20 }, (_, i) => Math.sin(i)),
      [1, 4, 5, 1],
    );
    const weights = tf.tensor4d(
      Array.from({ length: 63 }, (_, i) => Math.cos(i)),
      [1, 7, 9, 1],
    );
    const energy = (input: tf.Tensor): tf.Tensor =>
      tf.sum(tf.mul(resize(image(input), [7, 9], false, true), weights));
    const byGradient = tf.sum(tf.mul(tf.grad(energy)(x), x)).dataSync()[0]!;
    expect(byGradient).toBeCloseTo(energy(x).dataSync()[0]!, 4);
  });

  check([
    [
      "nearest of int32",
      (x) => tf.image.resizeNearestNeighbor(image(x), [3, 9]),
      [{ ...picture, dtype: "int32", low: -5, high: 5 }],
      noGradient,
    ],
  ]);
});

describe("reading at positions", () => {
  const boxes: Argument = { shape: [4, 4], low: -0.2, high: 1.2 };
  const owners: Argument = { shape: [4], dtype: "int32", low: 0, high: 3 };
  const sizes: [number, number][] = [
    [3, 4],
    [1, 5],
  ];
  check(
    (["bilinear", "nearest"] as const).flatMap((method) =>
      sizes.map((size): Case => [
        `crops of ${size.join("x")}, ${method}`,
        (x, b, i) => tf.image.cropAndResize(image(x), b as tf.Tensor2D, i as tf.Tensor1D, size, method, 0.5),
        [picture, boxes, owners],
        noGradient,
      ]),
    ),
  );
  // One picture: TF.js's cpu kernel leaves all but the first unchanged.
  const nearIdentity = (t: tf.Tensor): tf.Tensor2D =>
    tf.add<tf.Tensor2D>(t, tf.tensor2d([[1, 0, 0, 0, 1, 0, 0, 0]]));
  check(
    (["constant", "reflect", "wrap", "nearest"] as const).flatMap((mode) =>
      (["nearest", "bilinear"] as const).map((interpolation): Case => [
        `transform, ${interpolation}, outside ${mode}`,
        (x, t) => tf.image.transform(image(x), nearIdentity(t), interpolation, mode, 0.25, [9, 6]),
        [{ shape: [1, 7, 8, 3] }, { shape: [1, 8], low: -0.05, high: 0.4 }],
        noGradient,
      ]),
    ),
  );
  check([
    ["rotation", (x) => tf.image.rotateWithOffset(image(x), 0.7), [picture], noGradient],
    [
      "rotation with a colour outside",
      (x) => tf.image.rotateWithOffset(image(x), -2, [1, 2, 3], [0.2, 0.6]),
      [tagged],
      noGradient,
    ],
    ["flip", (x) => tf.image.flipLeftRight(image(x)), [tagged], noGradient],
  ]);
});

describe("neighbourhoods", () => {
  const filter: Argument = { shape: [2, 3, 3] };
  const as3D = (tensor: tf.Tensor): tf.Tensor3D => tensor as tf.Tensor3D;
  check([
    ...[1, 2, 5].map((radius): Case => [
      `local response of radius ${radius}`,
      (x) => tf.localResponseNormalization(image(x), radius, 1.3, 0.7, 0.6),
      [tagged],
    ]),
    ...(["same", "valid"] as const).flatMap((pad) =>
      [1, 2, 3].map((stride): Case => [
        `dilation, stride ${stride}, ${pad}`,
        (x, w) => tf.dilation2d(image(x), as3D(w), stride, pad),
        [picture, filter],
      ]),
    ),
    ["dilation with holes", (x, w) => tf.dilation2d(image(x), as3D(w), 1, "same", [2, 2]), [tagged, filter]],
  ]);
});

describe("blocks", () => {
  check([
    ["depthToSpace", (x) => tf.depthToSpace(image(x), 2, "NHWC"), [{ shape: [2, 3, 4, 12] }]],
    [
      "spaceToBatch",
      (x) =>
        tf.spaceToBatchND(
          x,
          [2, 3],
          [
            [1, 0],
            [0, 1],
          ],
        ),
      [picture],
    ],
    ["spaceToBatch of a matrix", (x) => tf.spaceToBatchND(x, [2], [[0, 0]]), [{ shape: [3, 4] }]],
    [
      "batchToSpace",
      (x) =>
        tf.batchToSpaceND(
          x,
          [2, 2],
          [
            [1, 0],
            [0, 1],
          ],
        ),
      [{ shape: [8, 3, 4, 2] }],
    ],
  ]);
});
