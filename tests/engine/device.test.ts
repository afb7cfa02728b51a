/** Arrays and sessions on WebGPU, in software. */
import { describe, expect, it } from "vitest";
import { Device, OrtArray, Session } from "../../src/engine/runtime/index.js";
import { smallModel } from "../support/small_model.js";
import { useSoftwareGpu } from "../support/software_gpu.js";

const FLOAT = 1;
const missing = useSoftwareGpu();

const floats = (...values: number[]) => OrtArray.wrap("float32", Float32Array.from(values), [values.length]);
const numbers = (array: OrtArray | undefined) => Array.from(array!.data, Number);

describe.skipIf(missing !== undefined)(`WebGPU in software (${missing ?? "ready"})`, () => {
  const device = () => Device.open({ provider: "webgpu" });
  const subtract = () =>
    new Session(
      smallModel({
        nodes: [["Sub", ["a", "b"], ["c"]]],
        inputs: { a: [FLOAT, ["n"]], b: [FLOAT, ["n"]] },
        outputs: { c: [FLOAT, ["n"]] },
      }),
      { device: device() },
    );

  it("is opened once", () => {
    expect(device()).toBe(device());
    expect(device().holdsArrays).toBe(true);
  });

  it("computes with arrays of both sides, in any mix", () => {
    const session = subtract();
    const [a, b, c] = [
      floats(5, 7, 9),
      floats(1, 2, 3).copyTo(device()),
      OrtArray.allocate("float32", [3], device()),
    ];
    expect(session.run([a, b], [c])[0]).toBe(c);
    expect(numbers(c)).toEqual([4, 5, 6]);
    const [onCpu] = session.run([c, b], [undefined]);
    expect(onCpu!.device).toBeUndefined();
    expect(numbers(onCpu)).toEqual([3, 3, 3]);
    session.run([b, b], [a]);
    expect(numbers(a)).toEqual([0, 0, 0]);
  });

  it("keeps a weight in its place on the device from step to step, and reads what the last has written", () => {
    const session = subtract();
    const weight = floats(10, 20).copyTo(device());
    for (let step = 1; step <= 5; step++) {
      session.run([weight, floats(1, 2)], [weight]);
      if (step % 2 === 1) expect(numbers(weight)).toEqual([10 - step, 20 - 2 * step]);
    }
  });

  it.each([
    ["bool", Uint8Array.of(1, 0, 1)],
    ["int32", Int32Array.of(-1, 2, 3)],
    ["int64", BigInt64Array.of(-5n)],
    ["float16", Uint16Array.of(1, 2, 3)],
  ] as const)("carries %s there and back", (type, data) => {
    const array = OrtArray.wrap(type, data, [data.length]).copyTo(device());
    expect(array.data).toEqual(data);
    expect(array.byteLength).toBe(data.byteLength);
  });

  it("has scalars, and arrays without elements as the CPU's", () => {
    const scalar = OrtArray.wrap("float32", Float32Array.of(3), []).copyTo(device());
    expect(numbers(scalar)).toEqual([3]);
    expect(OrtArray.allocate("float32", [0, 2]).copyTo(device()).device).toBeUndefined();
  });

  it("runs asynchronously, one run after the other, and whoever runs or reads meanwhile waits for them", async () => {
    const [first, second] = [subtract(), subtract()];
    const c = OrtArray.allocate("float32", [2], device());
    const runs = [
      first.runAsync([floats(3, 3), floats(1, 2)], [c]),
      second.runAsync([c, floats(1, 1)], [undefined]),
    ];
    expect(numbers(c)).toEqual([2, 1]);
    expect(numbers(first.run([c, c], [undefined])[0])).toEqual([0, 0]);
    expect(numbers((await Promise.all(runs))[1]![0])).toEqual([1, 0]);
  });

  it("refuses a slice of an array there", () => {
    expect(() => floats(1, 2).copyTo(device()).slice(0, [1])).toThrow(/webgpu has no slices/);
  });
});

describe("a device that is not there", () => {
  it("is an error with the reason", () => {
    const provider = process.platform === "darwin" ? "directml" : "coreml";
    expect(() => Device.open({ provider })).toThrow(
      expect.objectContaining({ code: "ERR_ENGINE_DEVICE" }) as Error,
    );
    expect(() => Device.open({ provider })).toThrow(new RegExp(`No device of ${provider}`));
  });
});
