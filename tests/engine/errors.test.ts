/** Whatever goes wrong in a graph names the operator and its shapes, and the engine computes on. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { OnnxRuntimeBackend } from "../../src/engine/backend.js";
import { emit, int64s } from "../../src/engine/graph/value.js";
import { engine, markStep } from "../../src/engine/index.js";
import { Session } from "../../src/engine/runtime/index.js";
import { EngineError } from "../../src/errors.js";
import * as nn from "../../src/nn/index.js";

beforeEach(async () => {
  await tf.setBackend("onnxruntime");
  markStep();
});

afterEach(() => {
  vi.restoreAllMocks();
  const x = tf.tensor1d([1, 2, 3]);
  expect(Array.from(tf.mul(tf.add(x, 1), x).dataSync())).toEqual([2, 6, 12]);
});

function failure(f: () => unknown): EngineError {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    return error as EngineError;
  }
  throw new Error("Nothing was thrown.");
}

/** A kernel that records a reshape to a size that the tensor does not have. */
function broken(x: tf.Tensor): tf.Tensor {
  const backend = tf.backend() as OnnxRuntimeBackend;
  const info = backend.call("Broken", { x }, {}, ({ x }) => {
    const value = backend.value(x!);
    return backend.output(emit("Reshape", [value, int64s([7])], [7], "float32"), [7], "float32");
  });
  return tf.engine().makeTensorFromTensorInfo(info as tf.TensorInfo);
}

describe("an operator that ONNX Runtime cannot run", () => {
  const outOfRange = (): tf.Tensor => {
    const table = tf.sin(tf.ones([4, 3]));
    return tf.mul(tf.gather(table, tf.tensor1d([0, 9], "int32")), 2);
  };

  it("is named with its kernel and shapes", () => {
    const error = failure(() => outOfRange().dataSync());
    expect(error.code).toBe("ERR_ENGINE_RUN");
    expect(error.message).toMatch(/GatherV2\(x: float32 \[4, 3\], indices: int32 \[2\]\)/);
    expect(error.message).toMatch(/out of data bounds/);
    expect(error.message).not.toMatch(/Sin\(|Multiply\(/);
  });

  it("is named too where the step is one that has run before", () => {
    const step = (index: number): Float32Array =>
      tf.tidy(() => {
        const at = tf.tensor1d([0, index], "int32");
        return tf.mul(tf.gather(tf.sin(tf.ones([4, 3])), at), 2).dataSync<"float32">();
      });
    step(1);
    engine.resetStats();
    step(2);
    expect(engine.stats().replays).toBe(1);
    expect(failure(() => step(9)).message).toMatch(/GatherV2\(x: float32 \[4, 3\], indices: int32 \[2\]\)/);
    expect(step(3)[0]).toBeCloseTo(2 * Math.sin(1), 5);
  });

  it("does not take along what waits beside it, before or after", () => {
    const before = tf.exp(tf.tensor1d([0, 1]));
    const wrong = outOfRange();
    const after = tf.add(before, 1);
    expect(() => wrong.dataSync()).toThrow(EngineError);
    expect(after.dataSync()[0]).toBe(2);
    expect(before.dataSync()[1]).toBeCloseTo(Math.E, 5);
    expect(failure(() => wrong.dataSync()).message).toMatch(/GatherV2/);
    expect(failure(() => tf.add(wrong, 1).dataSync()).message).toMatch(/GatherV2/);
  });

  it("keeps what waits in a step that has run before", () => {
    const step = (index: number): [tf.Tensor, tf.Tensor] => {
      const table = tf.tensor2d([[1], [2]]);
      const sums = tf.add(table, 1);
      table.dispose();
      return [sums, tf.gather(sums, tf.tensor1d([index], "int32"))];
    };
    for (const index of [0, 1]) step(index)[1].dataSync();
    const [sums, wrong] = step(5);
    expect(() => wrong.dataSync()).toThrow(/GatherV2/);
    for (let i = 0; i < 3; i++) tf.tidy(() => tf.add(tf.ones([2, 1]), i).dataSync()); // takes arrays of this size
    expect(Array.from(sums.dataSync())).toEqual([2, 3]);
  });

  it("is named where the gradient of a training step fails", () => {
    const weight = new nn.Parameter(tf.ones([5, 2]));
    const train = (index: number): void => {
      const optimizer = new nn.SGD([weight], { lr: 0.1 });
      nn.computeGradients(() => tf.sum(tf.gather(weight, tf.tensor1d([index], "int32"))), [weight]);
      optimizer.step();
      weight.zeroGrad();
    };
    expect(failure(() => train(12)).message).toMatch(/GatherV2\(x: float32 \[5, 2\], indices: int32 \[1\]\)/);
    weight.zeroGrad();
    train(0);
    expect(weight.dataSync()[0]).toBeCloseTo(0.9, 6);
    expect(weight.dataSync()[2]).toBe(1);
  });
});

describe("an operator that ONNX Runtime does not compile", () => {
  it("is named with its kernel and shapes", () => {
    const error = failure(() => tf.add(broken(tf.exp(tf.ones([2, 3]))), 1).dataSync());
    expect(error.code).toMatch(/ERR_ENGINE_(COMPILE|RUN)/);
    expect(error.message).toMatch(/Broken\(x: float32 \[2, 3\]\)/);
  });
});

describe("a session that breaks down", () => {
  it("names the kernels of its graph, and is not used again", () => {
    const step = (): Float32Array =>
      tf.tidy(() => tf.softmax(tf.matMul(tf.ones([2, 3]), tf.ones([3, 4]))).dataSync<"float32">());
    const expected = step();
    vi.spyOn(Session.prototype, "run").mockImplementationOnce(() => {
      throw new EngineError("ERR_ENGINE_RUN", "The device was lost.");
    });
    const error = failure(step);
    expect(error).toMatchObject({ code: "ERR_ENGINE_RUN" });
    expect(error.message).toMatch(/BatchMatMul.*Softmax.*The device was lost\./);
    engine.resetStats();
    expect(step()).toEqual(expected);
    expect(engine.stats().compiles).toBe(1);
  });
});

describe("memory that does not suffice", () => {
  it("for a result is an error with its kernel and shapes", () => {
    const huge = tf.fill([2 ** 20, 2 ** 20], 3);
    const error = failure(() => huge.dataSync());
    expect(error.code).toBe("ERR_ENGINE_MEMORY");
    expect(error.message).toMatch(/\[1048576, 1048576\] takes 4194304 MB/);
    huge.dispose();
    const product = tf.matMul(tf.ones([2 ** 20, 1]), tf.ones([1, 2 ** 20]));
    expect(failure(() => product.dataSync()).message).toMatch(
      /BatchMatMul\(a: float32 \[1048576, 1\], b: float32 \[1, 1048576\]\)/,
    );
    product.dispose();
  });
});

describe("a disposed tensor", () => {
  it("is an error that names the operator, its inputs and the one that is gone", () => {
    const [x, gone] = [tf.ones([2, 3]), tf.ones([3])];
    gone.dispose();
    const error = failure(() => tf.add(x, gone));
    expect(error.code).toBe("ERR_ENGINE_DISPOSED");
    expect(error.message).toMatch(/Add\(a: float32 \[2, 3\], b: float32 \[3\]\).*disposed: b/);
    expect(failure(() => tf.concat([gone, gone])).message).toMatch(/Concat\(.*float32 \[3\]/);
  });

  it("is still there for what was recorded before", () => {
    const x = tf.exp(tf.tensor1d([0, 0]));
    const sum = tf.add(x, 1);
    x.dispose();
    expect(Array.from(sum.dataSync())).toEqual([2, 2]);
  });
});

describe("a kernel", () => {
  it("that nobody has is named", () => {
    const x = tf.ones([2, 3]);
    expect(() => tf.engine().runKernel("Teleport", { x })).toThrow(/Teleport.*onnxruntime/);
  });

  it("that does not know its inputs is named with their shapes", () => {
    const x = tf.tensor2d([[1, 2]], [1, 2], "int32");
    const error = failure(() => tf.engine().runKernel("ReluGrad", { dy: tf.ones([1, 2]), y: x }));
    expect(error.code).toBe("ERR_ENGINE_KERNEL");
    expect(error.message).toMatch(/ReluGrad\(dy: float32 \[1, 2\], y: int32 \[1, 2\]\)/);
  });

  it("whose strings or complex numbers cannot enter a graph names their shape", () => {
    const words = tf.tensor1d(["a", "b"]);
    const error = failure(() => (tf.backend() as OnnxRuntimeBackend).entryOf(words));
    expect(error).toMatchObject({ code: "ERR_ENGINE_DTYPE" });
    expect(error.message).toMatch(/string tensor of shape \[2\]/);
  });
});

describe("a step that runs in the background", () => {
  it("fails with the kernel and its shapes too", async () => {
    const backend = tf.backend() as OnnxRuntimeBackend;
    const step = async (index: number): Promise<number> => {
      const result = await backend.runStep(() =>
        tf.tidy(() => tf.gather(tf.sin(tf.ones([4, 3])), tf.tensor1d([0, index], "int32"))),
      );
      return result.dataSync()[0]!;
    };
    await expect(step(9)).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/GatherV2\(x: float32 \[4, 3\], indices: int32 \[2\]\)/) as string,
    });
    expect(await step(2)).toBeCloseTo(Math.sin(1), 5);
  });
});
