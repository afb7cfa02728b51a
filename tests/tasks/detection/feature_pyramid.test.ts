/** The pyramid under a detector's head. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { seedEverything } from "../../../src/index.js";
import { FeaturePyramid } from "../../../src/tasks/detection/network/feature_pyramid.js";

const CHANNELS = [4, 6, 10];
const SIDES = [8, 4, 2];

function maps(): tf.Tensor[] {
  return CHANNELS.map((channels, i) =>
    tf.randomNormal([2, SIDES[i]!, SIDES[i]!, channels], 0, 1, "float32", i),
  );
}

function values(pyramid: FeaturePyramid, input: tf.Tensor[]): number[][] {
  return pyramid.forward(input).map((map) => Array.from(map.dataSync<"float32">()));
}

describe("FeaturePyramid", () => {
  it("gives maps of one width at the strides of the backbone's and one coarser", () => {
    const pyramid = new FeaturePyramid(CHANNELS, 16);
    expect(pyramid.forward(maps()).map(({ shape }) => shape)).toEqual([
      [2, 8, 8, 16],
      [2, 4, 4, 16],
      [2, 2, 2, 16],
      [2, 1, 1, 16],
    ]);
  });

  it("hears a fine map as well beside a coarse one with a thousand times its values", () => {
    seedEverything(0);
    const pyramid = new FeaturePyramid(CHANNELS, 16);
    const [fine, middle, coarse] = maps() as [tf.Tensor, tf.Tensor, tf.Tensor];
    const usual = values(pyramid, [fine, middle, coarse]);
    const loud = values(pyramid, [fine, middle, tf.mul(coarse, 1000)]);
    loud.forEach((map, i) => {
      const worst = Math.max(...map.map((value, j) => Math.abs(value - usual[i]![j]!)));
      expect(worst).toBeLessThan(1e-3);
    });
  });
});
