/** The limits that hold for a whole process, in a process of its own. */
import { expect, it } from "vitest";
import { chooseAccelerator } from "../../src/engine/accelerators/index.js";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import { smallModel } from "../support/small_model.js";

it("bounds memory and threads, and leaves the engine usable", () => {
  const { name, reason } = chooseAccelerator({ threads: 3, memoryLimitMb: 32 });
  if (name === "cpu") expect(reason).toMatch(/Not webgpu: its memory cannot be limited/);
  const session = new Session(
    smallModel({
      nodes: [
        ["Sin", ["x"], ["s"]],
        ["Mul", ["s", "x"], ["m"]],
        ["ReduceSum", ["m"], ["y"], { keepdims: 0 }],
      ],
      inputs: { x: [1, ["n"]] },
      outputs: { y: [1, []] },
    }),
  );
  const sum = (megabytes: number) =>
    session.run([OrtArray.allocate("float32", [megabytes * 2 ** 18])], [undefined])[0]!.data[0];
  expect(sum(4)).toBe(0);
  expect(() => sum(40)).toThrow(
    expect.objectContaining({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/memory/) as string,
    }) as Error,
  );
  expect(sum(4)).toBe(0);
  expect(() => chooseAccelerator({ accelerator: "cpu", threads: 1 })).toThrow(
    expect.objectContaining({ code: "ERR_ENGINE_STARTED" }) as Error,
  );
  chooseAccelerator({ accelerator: "cpu", threads: 3 });
});
