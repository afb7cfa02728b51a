/** Sessions and arrays on ONNX Runtime's C API: right numbers, memory that stays where it is, and clean ends. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { OrtArray, Session, type ElementArray, type ElementType } from "../../src/engine/runtime/index.js";
import { smallModel } from "../support/small_model.js";

const FLOAT = 1;
const root = resolve(import.meta.dirname, "../..");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const code = (name: string) => expect.objectContaining({ code: name }) as Error;
const numbers = (array: OrtArray | undefined) => Array.from(array!.data, Number);
const floats = (...values: number[]) => OrtArray.wrap("float32", Float32Array.from(values), [values.length]);

/** c = a - b over vectors of any length. */
const subtract = (options = {}) =>
  new Session(
    smallModel({
      nodes: [["Sub", ["a", "b"], ["c"]]],
      inputs: { a: [FLOAT, ["n"]], b: [FLOAT, ["n"]] },
      outputs: { c: [FLOAT, ["n"]] },
    }),
    options,
  );

/** Two products of square matrices, which take a few milliseconds. */
const slow = (size: number) =>
  new Session(
    smallModel({
      nodes: [
        ["MatMul", ["a", "a"], ["b"]],
        ["MatMul", ["b", "a"], ["c"]],
      ],
      inputs: { a: [FLOAT, [size, size]] },
      outputs: { c: [FLOAT, [size, size]] },
    }),
  );

describe("a session", () => {
  it("writes into the arrays that it is given", () => {
    const session = subtract();
    expect(session.inputNames).toEqual(["a", "b"]);
    expect(session.outputNames).toEqual(["c"]);
    const c = OrtArray.allocate("float32", [2]);
    const [result] = session.run([floats(5, 7), floats(1, 10)], [c]);
    expect(result).toBe(c);
    expect(numbers(c)).toEqual([4, -3]);
    session.run([c, floats(1, 1)], [c]);
    expect(numbers(c)).toEqual([3, -4]);
  });

  it("allocates outputs whose shape is known only afterwards", () => {
    const session = new Session(
      smallModel({
        nodes: [["NonZero", ["x"], ["indices"]]],
        inputs: { x: [FLOAT, ["n"]] },
        outputs: { indices: [7, [1, "m"]] },
      }),
    );
    const [found] = session.run([floats(0, 3, 0, 4)], [undefined]);
    expect(found).toMatchObject({ type: "int64", shape: [1, 2], data: BigInt64Array.of(1n, 3n) });
    const [none] = session.run([floats(0)], [undefined]);
    expect(none).toMatchObject({ shape: [1, 0], data: new BigInt64Array(0) });
  });

  it("computes only the outputs that are asked for", () => {
    const session = new Session(
      smallModel({
        nodes: [
          ["Neg", ["x"], ["negative"]],
          ["Abs", ["x"], ["absolute"]],
        ],
        inputs: { x: [FLOAT, ["n"]] },
        outputs: { negative: [FLOAT, ["n"]], absolute: [FLOAT, ["n"]] },
      }),
    );
    const [absolute] = session.run([floats(-2)], [undefined], ["absolute"]);
    expect(numbers(absolute)).toEqual([2]);
    const both = session.run([floats(-3)], [undefined, undefined], ["absolute", "negative"]);
    expect(both.map(({ data }) => Number(data[0]))).toEqual([3, 3]);
  });

  it.each<[ElementType, number, ElementArray]>([
    ["float32", 1, Float32Array.of(1.5, -2)],
    ["uint8", 2, Uint8Array.of(0, 255)],
    ["int8", 3, Int8Array.of(-128, 127)],
    ["int32", 6, Int32Array.of(-5, 2 ** 31 - 1)],
    ["int64", 7, BigInt64Array.of(-(2n ** 63n), 5n)],
    ["bool", 9, Uint8Array.of(1, 0)],
    ["float16", 10, Uint16Array.of(0x3c00, 0xc000)],
    ["uint32", 12, Uint32Array.of(0, 2 ** 32 - 1)],
  ])("carries %s", (type, onnxType, data) => {
    const session = new Session(
      smallModel({
        nodes: [["Identity", ["x"], ["y"]]],
        inputs: { x: [onnxType, [2]] },
        outputs: { y: [onnxType, [2]] },
      }),
    );
    const [y] = session.run([OrtArray.wrap(type, data, [2])], [undefined]);
    expect(y).toMatchObject({ type, shape: [2], data });
  });

  it("uses arrays in place of the model's own weights", () => {
    const model = smallModel({
      nodes: [["Mul", ["x", "w"], ["y"]]],
      inputs: { x: [FLOAT, [2]] },
      outputs: { y: [FLOAT, [2]] },
      initializers: { w: [1, 1] },
    });
    const session = new Session(model, { initializers: { w: floats(3, 5) } });
    collectGarbage();
    expect(numbers(session.run([floats(1, 2)], [undefined])[0])).toEqual([3, 10]);
  });

  it("gives the same numbers with threads of its own and with every optimization level", () => {
    for (const options of [
      { threads: 2 },
      { optimization: "disabled" },
      { optimization: "basic" },
      { optimization: "extended" },
    ]) {
      expect(numbers(subtract(options).run([floats(5), floats(1)], [undefined])[0])).toEqual([4]);
    }
  });

  it("says what is wrong, and goes on", () => {
    const session = subtract();
    const c = OrtArray.allocate("float32", [2]);
    expect(() => session.run([floats(1, 2), floats(1, 2, 3)], [c])).toThrow(code("ERR_ENGINE_RUN"));
    expect(() => session.run([floats(1, 2), floats(1, 2)], [OrtArray.allocate("float32", [3])])).toThrow(
      code("ERR_ENGINE_RUN"),
    );
    expect(() => session.run([floats(1, 2)], [c])).toThrow(/2 inputs .* got 1 inputs/);
    expect(() => session.run([floats(1, 2), floats(1, 2)], [c], ["d"])).toThrow(/\bd\b/);
    session.run([floats(1, 2), floats(1, 1)], [c]);
    expect(numbers(c)).toEqual([0, 1]);
    session.dispose();
    session.dispose();
    expect(() => session.run([floats(1), floats(1)], [undefined])).toThrow(/after dispose/);
  });

  it("refuses what is no model", () => {
    expect(() => new Session(Uint8Array.of(1, 2, 3))).toThrow(code("ERR_ENGINE_COMPILE"));
    expect(() => new Session(new Uint8Array(0))).toThrow(code("ERR_ENGINE_COMPILE"));
    expect(() => new Session("missing.onnx")).toThrow(/missing\.onnx/);
  });
});

describe("an asynchronous run", () => {
  const size = 500;
  const matrix = (value: number) =>
    OrtArray.wrap("float32", new Float32Array(size * size).fill(value), [size, size]);

  it("leaves the event loop free, beside other runs of the same session", async () => {
    const session = slow(size);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const runs = [1, 2, 3, 4].map((value) => session.runAsync([matrix(value)], [undefined]));
    const [sync] = session.run([matrix(5)], [undefined]);
    const results = await Promise.all(runs);
    clearInterval(timer);
    expect([...results.map(([c]) => c!.data[0]), sync!.data[0]]).toEqual(
      [1, 2, 3, 4, 5].map((value) => value ** 3 * size ** 2),
    );
    expect(ticks).toBeGreaterThan(0);
  });

  it("outlives the disposal of its session and arrays", async () => {
    const session = slow(size);
    const [a, c] = [matrix(1), matrix(0)];
    const run = session.runAsync([a], [c]);
    session.dispose();
    a.dispose();
    c.dispose();
    collectGarbage();
    await run;
    expect(c.data[0]).toBe(size ** 2);
    await expect(session.runAsync([matrix(1)], [c])).rejects.toThrow(/after dispose/);
  });

  it("rejects with ONNX Runtime's message", async () => {
    await expect(subtract().runAsync([floats(1, 2), floats(1, 2, 3)], [undefined])).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
    });
  });
});

describe("an array", () => {
  it("stays in its place, however small", () => {
    const session = subtract();
    const [a, b, c] = [floats(8), floats(3), floats(0)];
    for (let i = 0; i < 200; i++) {
      session.run([a, b], [c]);
      expect(c.data[0]).toBe(5);
      c.data[0] = 0;
      if (i % 20 === 0) collectGarbage();
      Array.from({ length: 100 }, () => new Float32Array(1).fill(7));
    }
  });

  it("has any shape: a scalar, no elements, many axes", () => {
    const session = new Session(
      smallModel({
        nodes: [["ReduceSum", ["x"], ["y"], { keepdims: 0 }]],
        inputs: { x: [FLOAT, ["a", "b", "c"]] },
        outputs: { y: [FLOAT, []] },
      }),
    );
    const y = OrtArray.allocate("float32", []);
    session.run([OrtArray.wrap("float32", Float32Array.of(1, 2, 3, 4), [2, 1, 2])], [y]);
    expect(y.data[0]).toBe(10);
    session.run([OrtArray.allocate("float32", [2, 0, 2])], [y]);
    expect(y.data[0]).toBe(0);
  });

  it("shares memory with views, slices and other threads' buffers", () => {
    const session = subtract();
    const shared = new Float32Array(new SharedArrayBuffer(64));
    shared.set([9, 8, 7, 6]);
    const whole = OrtArray.wrap("float32", shared.subarray(0, 4), [4]);
    const view = OrtArray.wrap("float32", shared.subarray(1, 3), [2]);
    session.run([view, floats(1, 1)], [whole.slice(2, [2])]);
    expect(Array.from(shared.subarray(0, 5))).toEqual([9, 8, 7, 6, 0]);
    session.run([whole.slice(0, [2]), floats(1, 1)], [whole.slice(2, [2])]);
    expect(numbers(whole)).toEqual([9, 8, 8, 7]);
    expect(whole.slice(1, [1, 2]).slice(1, []).data[0]).toBe(8);
    expect(() => whole.slice(3, [2])).toThrow(code("ERR_ENGINE_ARRAY"));
    expect(() => whole.slice(-1, [2])).toThrow(code("ERR_ENGINE_ARRAY"));
    expect(() => whole.slice(0.5, [2])).toThrow(code("ERR_ENGINE_ARRAY"));
  });

  it("is refused where its memory could not be held on to", () => {
    const session = subtract();
    expect(() => OrtArray.wrap("float32", new Float32Array(3), [2])).toThrow(/2 elements.*of 3/);
    expect(() => OrtArray.wrap("float32", Int32Array.of(1) as never, [1])).toThrow(
      /Float32Array.*Int32Array/,
    );
    const ResizableBuffer = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer;
    const resizable = new Float32Array(new ResizableBuffer(8, { maxByteLength: 16 }));
    expect(() => OrtArray.wrap("float32", resizable, [2])).toThrow(/can be resized/);
    const moved = floats(1, 2);
    session.run([moved, floats(1, 2)], [undefined]);
    structuredClone(moved.data, { transfer: [moved.data.buffer as ArrayBuffer] });
    expect(() => session.run([moved, floats(1, 2)], [undefined])).toThrow(/transferred/);
    const disposed = floats(1, 2);
    disposed.dispose();
    expect(() => session.run([floats(1, 2), disposed], [undefined])).toThrow(/after dispose/);
    expect(disposed.data[1]).toBe(2);
  });
});

describe("a process", () => {
  const start = (end: string) =>
    new Promise<{ status: number | null; signal: string | null; output: string }>((done) => {
      const script = resolve(import.meta.dirname, "runtime_process.ts");
      const child = spawn(process.execPath, ["--import", "tsx", script, end], { cwd: root });
      let output = "";
      child.stdout.on("data", (text) => (output += text));
      child.stderr.on("data", (text) => (output += text));
      child.on("close", (status, signal) => done({ status, signal, output }));
    });

  it("ends cleanly whenever it ends", async () => {
    const ends = ["return", "exit", "worker", "worker-terminated"];
    for (const end of ends) {
      expect({ end, ...(await start(end)) }).toEqual({ end, status: 0, signal: null, output: "" });
    }
  });

  it("ends with an uncaught error's own code", async () => {
    const { status, signal, output } = await start("throw");
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(output).toContain("boom");
  });
});
