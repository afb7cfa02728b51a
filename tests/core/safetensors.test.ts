/** safetensors files against the reference implementation's bytes (tests/golden/make_core.py), and damaged ones. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../src/core/index.js";
import { CheckpointError } from "../../src/errors.js";

const golden = JSON.parse(readFileSync(new URL("../golden/core.json", import.meta.url), "utf8")) as Record<
  "full" | "plain",
  string
>;
const bytes = (name: "full" | "plain") => new Uint8Array(Buffer.from(golden[name], "base64"));

const tensors: Record<string, SafetensorsTensor> = {
  "layer.weight": { dtype: "F32", shape: [2, 3], data: Float32Array.of(0, -1.5, 2, 3.25, 1e-7, -4) },
  "layer.bias": { dtype: "F32", shape: [2], data: Float32Array.of(0.5, -0.5) },
  num_batches_tracked: { dtype: "I64", shape: [], data: BigInt64Array.of(2n ** 40n + 3n) },
  labels: { dtype: "I32", shape: [3], data: Int32Array.of(7, -8, 9) },
  mask: { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) },
  pixels: { dtype: "U8", shape: [1, 2], data: Uint8Array.of(0, 255) },
};
const metadata = { note: 'a "quoted" word, grün' };

describe("safetensors", () => {
  it("writes the reference implementation's bytes", () => {
    expect(encodeSafetensors(tensors, metadata)).toEqual(bytes("full"));
    expect(encodeSafetensors({ x: tensors["layer.bias"]! })).toEqual(bytes("plain"));
  });

  it("reads the reference implementation's files", () => {
    expect(decodeSafetensors(bytes("full"))).toEqual({ tensors, metadata });
    expect(decodeSafetensors(bytes("plain"))).toEqual({
      tensors: { x: tensors["layer.bias"] },
      metadata: {},
    });
  });

  it("writes this file, byte by byte after the published format", () => {
    const header = '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}   ';
    const length = Uint8Array.of(header.length, 0, 0, 0, 0, 0, 0, 0);
    const expected = Buffer.concat([length, Buffer.from(header), Uint8Array.of(1, 2, 3)]);
    const file = encodeSafetensors({ a: { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) } });
    expect(Buffer.from(file)).toEqual(expected);
  });

  it("reads from a buffer at any offset", () => {
    const file = bytes("full");
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    expect(decodeSafetensors(shifted.subarray(3))).toEqual({ tensors, metadata });
  });

  it("refuses a shape that does not fit the data", () => {
    const wrong = { a: { dtype: "F32", shape: [3], data: Float32Array.of(1, 2) } } as const;
    expect(() => encodeSafetensors(wrong)).toThrow(
      'Tensor "a" of type F32 and shape [3] takes 12 bytes, but its data has 8.',
    );
  });
});

describe("a damaged file", () => {
  const file = (header: unknown, data = new Uint8Array(0)) => {
    const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return new Uint8Array(Buffer.concat([length, json, data]));
  };
  const entry = (shape: number[], offsets: number[], dtype = "U8") => ({
    dtype,
    shape,
    data_offsets: offsets,
  });

  it.each([
    ["an empty file", new Uint8Array(0), "it has 0 bytes, and the length of its header alone takes 8"],
    ["text", new Uint8Array(Buffer.from("just some text")), "it announces a header of"],
    ["no JSON", file("{]"), "its header is not JSON"],
    ["bytes that are no text", file("abcd").fill(0xff, 8), "its header is not JSON"],
    ["a list as header", file([]), "its header is not a JSON object"],
    ["metadata with a number", file({ __metadata__: { a: 1 } }), "its __metadata__ is not a map of strings"],
    [
      "no offsets",
      file({ a: { dtype: "U8", shape: [] } }),
      'tensor "a" lacks a valid dtype, shape or data_offsets',
    ],
    ["a negative length", file({ a: entry([-1], [0, 1]) }), 'tensor "a" lacks a valid'],
    ["an unknown type", file({ a: entry([1], [0, 1], "F7") }), 'tensor "a" has the unknown type "F7"'],
    ["an inherited name as type", file({ a: entry([1], [0, 1], "toString") }), 'the unknown type "toString"'],
    [
      "a wrong size",
      file({ a: entry([2], [0, 1]) }),
      'tensor "a" takes 2 bytes, but its place in the file has 1',
    ],
    ["a hole", file({ a: entry([1], [1, 2]) }, new Uint8Array(2)), 'tensor "a" starts at byte 1, not at 0'],
    [
      "an overlap",
      file({ a: entry([2], [0, 2]), b: entry([2], [1, 3]) }, new Uint8Array(3)),
      'tensor "b" starts at byte 1, not at 2',
    ],
    [
      "bytes at the end",
      file({ a: entry([1], [0, 1]) }, new Uint8Array(2)),
      "describes 1 bytes of data, and 2 are there",
    ],
  ])("is refused: %s", (_, damagedFile, message) => {
    expect(() => decodeSafetensors(damagedFile)).toThrow(message);
    expect(() => decodeSafetensors(damagedFile)).toThrow(CheckpointError);
  });

  it("is refused wherever it is cut off", () => {
    const whole = bytes("full");
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.subarray(0, length)), String(length)).toThrow(CheckpointError);
    }
  });
});
