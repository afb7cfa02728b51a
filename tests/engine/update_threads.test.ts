/** Updates of many parameters, whose pieces several threads change at the same time: every number, after every step. */
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { engine, runStep } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";

/** So many pieces that a step goes to the background, and that the last one is no whole one. */
const SIZE = 40 * 2 ** 16 + 123;
const STEPS = 6;

/** SGD on sum(x²) / 2 halves every number in each step, exactly. */
function halving(): { parameter: nn.Parameter; step: () => void } {
  const values = Float32Array.from({ length: SIZE }, (_, i) => i + 1);
  const parameter = new nn.Parameter(tf.tensor1d(values));
  const optimizer = new nn.SGD([parameter], { lr: 0.5 });
  const step = (): void => {
    nn.computeGradients(() => tf.mul(tf.sum(tf.square(parameter)), 0.5), [parameter]).dispose();
    optimizer.step();
    optimizer.zeroGrad();
  };
  return { parameter, step };
}

function expectHalved(parameter: nn.Parameter, times: number): void {
  const wrong = parameter.dataSync().findIndex((value, i) => value !== (i + 1) / 2 ** times);
  expect(wrong, "the first number that is wrong").toBe(-1);
}

it("are right where each step is waited for", () => {
  const { parameter, step } = halving();
  for (let done = 1; done <= STEPS; done++) {
    step();
    expectHalved(parameter, done);
  }
});

it("are right where steps run in the background, one begun before the other is over", async () => {
  const { parameter, step } = halving();
  await Promise.all(Array.from({ length: STEPS }, () => runStep(step)));
  expectHalved(parameter, STEPS);
  await runStep(step);
  expectHalved(parameter, STEPS + 1);
});

it("compile one graph for pieces of any length", () => {
  const before = engine.stats().compiles;
  const { step } = halving();
  for (let i = 0; i < 3; i++) step();
  expect(engine.stats().compiles - before).toBeLessThanOrEqual(2);
});
