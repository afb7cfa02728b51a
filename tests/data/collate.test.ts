/** What samples become in a batch, and what does not fit. */
import { expect, expectTypeOf, it } from "vitest";
import { defaultCollate } from "../../src/data/index.js";
import { DataError } from "../../src/errors.js";
import { HostTensor } from "../../src/host_tensor.js";

it("stacks tensors of each type along a new first dimension", () => {
  const arrays = [
    [Uint8Array.of(1, 2), Uint8Array.of(3, 4)],
    [Int32Array.of(1, -2), Int32Array.of(3, 4)],
    [Float32Array.of(0.5, 2), Float32Array.of(3, 4)],
  ] as const;
  for (const [first, second] of arrays) {
    const batch = defaultCollate([new HostTensor(first, [1, 2]), new HostTensor(second, [1, 2])]);
    expect(batch.shape).toEqual([2, 1, 2]);
    expect(batch.data.constructor).toBe(first.constructor);
    expect([...batch.data]).toEqual([...first, ...second]);
    expect(defaultCollate([first, second])).toEqual(new HostTensor(batch.data, [2, 2]));
  }
});

it("gives a plain array for Buffers, and keeps bool", () => {
  const bytes = new HostTensor(Buffer.from([0, 1]), [2], "bool");
  const batch = defaultCollate([bytes, bytes]);
  expect(batch.data.constructor).toBe(Uint8Array);
  expect(batch.dtype).toBe("bool");
});

it("makes whole numbers int32, others float32, and booleans bool", () => {
  expect(defaultCollate([1, -2, 3])).toEqual(new HostTensor(Int32Array.of(1, -2, 3), [3]));
  expect(defaultCollate([1, 2.5])).toEqual(new HostTensor(Float32Array.of(1, 2.5), [2]));
  expect(defaultCollate([2 ** 40, 1]).dtype).toBe("float32");
  expect(defaultCollate([NaN, 1]).dtype).toBe("float32");
  expect(defaultCollate([true, false])).toEqual(new HostTensor(Uint8Array.of(1, 0), [2], "bool"));
});

it("collates the fields of objects, however deep, and lists the rest", () => {
  const samples = [
    { input: new HostTensor(Uint8Array.of(1), [1]), meta: { name: "a", size: 3 }, path: "a.jpg", box: [1] },
    {
      input: new HostTensor(Uint8Array.of(2), [1]),
      meta: { name: "b", size: 4 },
      path: "b.jpg",
      box: [1, 2],
    },
  ];
  const batch = defaultCollate(samples);
  expectTypeOf(batch.meta.name).toEqualTypeOf<string[]>();
  expectTypeOf(batch.input).toEqualTypeOf<HostTensor>();
  expectTypeOf(batch.box).toEqualTypeOf<number[][]>();
  expect(batch).toEqual({
    input: new HostTensor(Uint8Array.of(1, 2), [2, 1]),
    meta: { name: ["a", "b"], size: new HostTensor(Int32Array.of(3, 4), [2]) },
    path: ["a.jpg", "b.jpg"],
    box: [[1], [1, 2]],
  });
});

const one = new HostTensor(new Uint8Array(12), [2, 2, 3]);
const other = new HostTensor(new Uint8Array(18), [3, 2, 3]);

it.each([
  [
    "shapes",
    [
      { input: one, path: "a.jpg" },
      { input: other, path: "b.jpg" },
    ],
    ["a.jpg", "[2, 2, 3]", "b.jpg", "[3, 2, 3]", "`input`"],
  ],
  [
    "types",
    [one, new HostTensor(new Float32Array(12), [2, 2, 3])],
    ["sample 0", "uint8", "sample 1", "float32"],
  ],
  ["fields", [{ a: 1 }, { a: 1, b: 2 }], ["sample 1", '"b"', "sample 0"]],
  ["kinds", [{ a: 1 }, { a: "x" }], ["`a`", "number", "string"]],
  ["presence", [{ a: { b: 1 } }, { a: undefined }], ["`a`", "Object", "undefined"]],
])("names the samples whose %s differ", (_, samples, parts) => {
  const collate = () => defaultCollate(samples as unknown[]);
  expect(collate).toThrow(DataError);
  for (const part of parts) expect(collate).toThrow(part);
});
