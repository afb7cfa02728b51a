/** The list of kernels that run on TF.js's cpu backend is the truth. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import "../../src/engine/index.js";
import { fallbackKernels } from "../../src/engine/kernels/fallbacks.js";
import { lowerings } from "../../src/engine/kernels/index.js";

const ofCpu = tf.getKernelsForBackend("cpu").map((kernel) => kernel.kernelName);

it("names exactly the kernels of the cpu backend without a lowering", () => {
  expect(Object.keys(fallbackKernels).sort()).toEqual(
    ofCpu.filter((name) => lowerings[name] === undefined).sort(),
  );
});

it("leaves at least 130 kernels of TF.js recorded", () => {
  expect(ofCpu.filter((name) => lowerings[name] !== undefined).length).toBeGreaterThanOrEqual(130);
});
