/** Loss scaling by PyTorch's rules (torch.cuda.amp.GradScaler and the kernel _amp_update_scale_), worked out by hand. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import { GradScaler, MixedPrecision, type GradScalerOptions } from "../../../src/core/index.js";
import { Parameter, SGD } from "../../../src/nn/index.js";

/** One parameter at 1 with learning rate 1, and a scaler over it. */
function setUp(options: GradScalerOptions = {}) {
  const parameter = new Parameter(tf.scalar(1));
  const optimizer = new SGD([parameter], { lr: 1 });
  const scaler = new GradScaler(options);
  /** A step with this gradient, as it comes out of a scaled backward pass. */
  const step = (gradient: number) => {
    parameter.zeroGrad();
    parameter.grad = tf.scalar(gradient * scaler.currentScale);
    const stepped = scaler.step(optimizer);
    scaler.update();
    return stepped;
  };
  return { parameter, optimizer, scaler, step };
}

describe("GradScaler", () => {
  it("has PyTorch's defaults", () => {
    expect(new GradScaler().stateDict()).toEqual({
      scale: 65536,
      growthFactor: 2,
      backoffFactor: 0.5,
      growthInterval: 2000,
      growthTracker: 0,
    });
  });

  it("grows after growthInterval good steps in a row, backs off at each bad one and counts anew", () => {
    const { scaler, step } = setUp({ initScale: 8, growthInterval: 3 });
    const seen = [0.1, 0.1, 0.1, 0.1, 0.1, Infinity, 0.1, 0.1, NaN, NaN, 0.1, 0.1, 0.1].map((gradient) => {
      step(gradient);
      const { scale, growthTracker } = scaler.stateDict();
      return [scale, growthTracker];
    });
    expect(seen).toEqual([
      [8, 1],
      [8, 2],
      [16, 0],
      [16, 1],
      [16, 2],
      [8, 0],
      [8, 1],
      [8, 2],
      [4, 0],
      [2, 0],
      [2, 1],
      [2, 2],
      [4, 0],
    ]);
  });

  it("leaves a step out where another rank's gradients are not finite", () => {
    const { parameter, optimizer, scaler } = setUp({ initScale: 8 });
    parameter.grad = tf.scalar(1);
    const asked: boolean[] = [];
    scaler.unscale(optimizer, (isFinite) => {
      asked.push(isFinite);
      return false;
    });
    expect(scaler.step(optimizer)).toBe(false);
    scaler.update();
    expect(asked).toEqual([true]);
    expect([parameter.dataSync()[0], scaler.currentScale]).toEqual([1, 4]);
  });

  it("does not grow beyond float32", () => {
    const { scaler, step } = setUp({ initScale: 2 ** 127, growthInterval: 1 });
    expect(step(0)).toBe(true);
    expect(scaler.currentScale).toBe(2 ** 127);
  });

  it("leaves the step out where a gradient is not finite, and steps with the true gradient where all are", () => {
    const { parameter, step } = setUp();
    expect(step(0.25)).toBe(true);
    expect(parameter.dataSync()[0]).toBe(0.75);
    expect(step(-Infinity)).toBe(false);
    expect(parameter.dataSync()[0]).toBe(0.75);
    expect(step(0.25)).toBe(true);
    expect(parameter.dataSync()[0]).toBe(0.5);
  });

  it("unscales once, so that gradients can be clipped, and says so when asked twice", () => {
    const { parameter, optimizer, scaler } = setUp({ initScale: 4 });
    parameter.grad = tf.scalar(2);
    scaler.unscale(optimizer);
    expect(parameter.grad.dataSync()[0]).toBe(0.5);
    expect(() => scaler.unscale(optimizer)).toThrow(
      "unscale was called twice for one optimizer without update between.",
    );
    scaler.step(optimizer);
    expect(parameter.dataSync()[0]).toBe(0.5);
    expect(() => scaler.step(optimizer)).toThrow(
      "step was called twice for one optimizer without update between.",
    );
    scaler.update();
    expect(() => scaler.update()).toThrow("no optimizer has stepped since it was called last");
    scaler.unscale(optimizer);
    scaler.discard();
    scaler.unscale(optimizer);
  });

  it("one optimizer's bad gradient lowers the scale and leaves the other's step alone", () => {
    const good = new Parameter(tf.scalar(1));
    const bad = new Parameter(tf.scalar(1));
    const [first, second] = [new SGD([good], { lr: 1 }), new SGD([bad], { lr: 1 })];
    const scaler = new GradScaler({ initScale: 2 });
    good.grad = tf.scalar(1);
    bad.grad = tf.scalar(NaN);
    expect([scaler.step(first), scaler.step(second)]).toEqual([true, false]);
    scaler.update();
    expect([good.dataSync()[0], bad.dataSync()[0], scaler.currentScale]).toEqual([0.5, 1, 1]);
  });

  it("goes on from its state, and refuses one that is none", () => {
    const { scaler, step } = setUp({ initScale: 8, growthInterval: 3 });
    step(0.1);
    const next = new GradScaler();
    next.loadStateDict(scaler.stateDict());
    expect(next.stateDict()).toEqual({
      scale: 8,
      growthFactor: 2,
      backoffFactor: 0.5,
      growthInterval: 3,
      growthTracker: 1,
    });
    expect(() => next.loadStateDict({ scale: 2 } as never)).toThrow(/needs the number growthFactor/);
  });

  it.each([
    [{ initScale: 0 }, "GradScaler's initScale is a number above 0, not 0."],
    [{ growthFactor: 1 }, "GradScaler's growthFactor is a number above 1, not 1."],
    [{ backoffFactor: 1 }, "GradScaler's backoffFactor is a number between 0 and 1, not 1."],
    [{ growthInterval: 1.5 }, "GradScaler's growthInterval is a number that is an integer >= 1, not 1.5."],
  ])("refuses %o", (options, message) => {
    expect(() => new GradScaler(options)).toThrow(message);
  });
});

describe("MixedPrecision", () => {
  it("gives the loss unscaled, gradients scaled, and true ones when they are looked at", () => {
    const weight = new Parameter(tf.scalar(3));
    const optimizer = new SGD([weight], { lr: 1 });
    const precision = new MixedPrecision({ scaler: new GradScaler({ initScale: 1024 }) });
    const loss = precision.backward(() => tf.square(weight), [weight]);
    expect(loss.dataSync()[0]).toBe(9);
    expect(weight.grad!.dataSync()[0]).toBe(6 * 1024);
    precision.unscaleGradients(optimizer);
    precision.unscaleGradients(optimizer);
    expect(weight.grad!.dataSync()[0]).toBe(6);
    expect(precision.optimizerStep(optimizer)).toBe(true);
    expect(weight.dataSync()[0]).toBe(-3);
    loss.dispose();
  });
});
