/** Reading files that ONNX's own package wrote (tests/golden/make_onnx.py), and writing files that others read. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, describe, expect, it } from "vitest";
import { HostTensor } from "../../src/host_tensor.js";
import { encodeOnnx } from "../../src/onnx/format/encode.js";
import type { OnnxType } from "../../src/onnx/format/element_types.js";
import { numbersOf } from "../../src/onnx/format/numbers.js";
import { OnnxModule, readOnnx, writeOnnx } from "../../src/onnx/index.js";
import { runPlainOnnxRuntime } from "../support/plain_onnx_runtime.js";
import { sharedPath } from "../support/shared.js";
import { info, model, node, tensor } from "./support/build.js";

const golden = (name: string) => join(import.meta.dirname, "../golden/onnx", name);
const facts = JSON.parse(readFileSync(golden("onnx.json"), "utf8")) as {
  types: Record<string, { shape: number[]; values: string[] }>;
  functions: { x: number[]; y: number[] };
  external: { weight: number[] };
};
const folder = mkdtempSync(join(tmpdir(), "kindling-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("reading what ONNX's package wrote", () => {
  it("arrays of every type, as bytes and as numbers", async () => {
    const { graph } = await readOnnx(golden("types.onnx"));
    expect([...graph.initializers.keys()].sort()).toEqual(Object.keys(facts.types).sort());
    for (const [name, { shape, values }] of Object.entries(facts.types)) {
      const found = graph.initializers.get(name)!;
      expect(found.shape, name).toEqual(shape);
      const expected = values.map((text) =>
        text === "True" || text === "False" ? Number(text === "True") : text,
      );
      const actual =
        found.type.includes("64") && !found.type.startsWith("float") ? found.data : numbersOf(found);
      const decimals = Array.from(actual as ArrayLike<number | bigint>, (value, i) =>
        typeof expected[i] === "string" && typeof value === "number" ? Number(expected[i]) - value : 0,
      );
      expect(
        decimals.every((difference) => Math.abs(difference) < 1e-9),
        name,
      ).toBe(true);
      if (typeof (actual as ArrayLike<unknown>)[0] === "bigint") {
        expect(Array.from(actual as BigInt64Array, String), name).toEqual(expected);
      }
    }
  });

  it("attributes of every kind, exactly", async () => {
    const read = await readOnnx(golden("attributes.onnx"));
    const { attributes, ...rest } = read.graph.nodes[0]!;
    expect(rest).toMatchObject({ name: "node", domain: "test", inputs: ["x", "", "x"], outputs: ["y"] });
    const values = Object.fromEntries(Array.from(attributes, ([name, { value }]) => [name, value]));
    expect(values).toMatchObject({
      a_float: 0.5,
      an_int: -(2n ** 63n),
      a_large_int: 2n ** 63n - 1n,
      a_string: "grüße",
      floats: [1.5, -2.5],
      ints: [-1, 2n ** 62n + 1n, 0],
      strings: ["a", ""],
      tensor: { name: "inside", type: "int32", shape: [3], data: Int32Array.of(0, 1, 2) },
      branch: { name: "branch", outputs: [info("inner")], nodes: [{ operator: "Identity", inputs: ["x"] }] },
    });
    expect(read.graph.inputs).toEqual([info("x", ["batch", 3, undefined])]);
    expect(read.graph.outputs[0]!.type).toEqual({
      kind: "sequence",
      element: { kind: "tensor", type: "int64", shape: [] },
    });
    expect(read).toMatchObject({ modelVersion: 3, producerName: "make_onnx", metadata: { key: "value" } });
    expect([...read.opsetImports]).toEqual([
      ["", 15],
      ["test", 2],
    ]);
  });

  it("sparse arrays", async () => {
    const module = new OnnxModule(await readOnnx(golden("sparse.onnx")));
    const { y } = module.forward(tf.zeros([3, 3]));
    expect([...y!.dataSync()]).toEqual([0, 1 - 1, 0, 0, 2 - 2, 0, 0, 3 - 3, 0]);
    expect(Object.keys(module.stateDict())).toEqual(["sparse", "placed"]);
  });

  it("functions that call functions, with attributes of the call", async () => {
    const module = new OnnxModule(await readOnnx(golden("functions.onnx")));
    const { y } = module.forward(tf.tensor(facts.functions.x, [2, 2]));
    facts.functions.y.forEach((value, i) => expect(y!.dataSync()[i]).toBeCloseTo(value, 5));
  });

  it("arrays in a file beside the model", async () => {
    const { graph } = await readOnnx(golden("external.onnx"));
    expect([...(graph.initializers.get("weight")!.data as Float32Array)]).toEqual(facts.external.weight);
    await expect(readOnnx(readFileSync(golden("external.onnx")))).rejects.toThrow(
      expect.objectContaining({ code: "ERR_ONNX_EXTERNAL_DATA" }),
    );
  });
});

describe("types of few bits", () => {
  const types: [OnnxType, number][] = [
    ["float8e4m3fn", 8],
    ["float8e4m3fnuz", 8],
    ["float8e5m2", 8],
    ["float8e5m2fnuz", 8],
    ["uint4", 4],
    ["int4", 4],
    ["float16", 16],
    ["bfloat16", 16],
  ];
  it.each(types)("%s has the numbers that ONNX Runtime casts it to", async (type, bits) => {
    const size = 2 ** Math.min(bits, 8);
    const bytes = Uint8Array.from({ length: (size * bits) / 8 }, (_, i) =>
      bits === 4 ? (2 * i) | ((2 * i + 1) << 4) : i * 37,
    );
    const data = bits === 16 ? Uint16Array.from(bytes.slice(0, size), (byte) => byte * 257) : bytes;
    const w = tensor(type, [size], data);
    const written = model(
      {
        inputs: [],
        outputs: [info("y", [size])],
        nodes: [node("Cast w -> y", { to: 1 })],
        initializers: { w },
      },
      21,
    );
    written.irVersion = 10;
    const path = join(folder, `${type}.onnx`);
    await writeOnnx(path, written);
    const expected = [...runPlainOnnxRuntime(path, {}).y!.data];
    const numbers = Array.from(numbersOf((await readOnnx(path)).graph.initializers.get("w")!));
    // NaN, infinities and the sign of zero do not survive the way through JSON of the other process.
    const plain = numbers.map((value) => (Number.isFinite(value) ? value + 0 : 0));
    expect(plain).toEqual(expected.map((value) => (Number.isFinite(value) ? value + 0 : 0)));
  });
});

describe("writing", () => {
  const files = ["types.onnx", "attributes.onnx", "sparse.onnx", "functions.onnx", "external.onnx"].map(
    golden,
  );
  const real = [
    "mobilenet_v2/onnx/model.onnx",
    "squeezenet_1.1/onnx/model.onnx",
    "yolox_nano/yolox_nano.onnx",
    "openwakeword/melspectrogram.onnx",
    "openwakeword/embedding_model.onnx",
  ]
    .map((name) => sharedPath("models", name))
    .filter((path) => path !== undefined);

  it.each([...files, ...real])("what is read of %s is what was written", async (path) => {
    const read = await readOnnx(path);
    const bytes = encodeOnnx(read);
    const again = await readOnnx(bytes);
    expect(summary(again)).toEqual(summary(read));
    // The same message has the same bytes.
    expect(Buffer.from(encodeOnnx(again)).equals(bytes)).toBe(true);
  });

  const checked = it.skipIf(!hasOnnx()).each([...files, ...real]);
  checked("ONNX's own checker takes %s as we write it (needs Debian's python3-onnx)", async (path) => {
    const isCustom = path.endsWith("attributes.onnx") || path.endsWith("types.onnx");
    const target = join(folder, "checked.onnx");
    await writeOnnx(target, await readOnnx(path), { externalData: path.endsWith("external.onnx") });
    const script = isCustom ? LOAD : CHECK;
    execFileSync("/usr/bin/python3", ["-c", script, target], { stdio: "pipe" });
  });

  it("puts arrays into a second file, which ONNX Runtime finds", async () => {
    const source = await readOnnx(golden("external.onnx"));
    const path = join(folder, "two.onnx");
    await writeOnnx(path, source, { externalData: true, externalThreshold: 0 });
    expect(statSync(`${path}_data`).size).toBe(64 * 3 * 4);
    const x = new HostTensor(
      Float32Array.from({ length: 64 }, (_, i) => i),
      [1, 64],
    );
    const expected = runPlainOnnxRuntime(golden("external.onnx"), { x });
    expect(runPlainOnnxRuntime(path, { x })).toEqual(expected);
    expect(await readOnnx(path)).toEqual(source);
  });
});

/** The model with digests in place of arrays, which take long to be compared one by one. */
function summary(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return [value.constructor.name, createHash("sha1").update(bytes).digest("hex")];
  }
  if (Array.isArray(value)) return value.map(summary);
  if (value instanceof Map) return Array.from(value as Map<string, unknown>, summary);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, summary(item)]));
}

const CHECK = "import sys, onnx; onnx.checker.check_model(sys.argv[1])";
/** Operators that nobody knows, and outputs that are not used, are refused by the checker. */
const LOAD = "import sys, onnx; onnx.load(sys.argv[1])";

function hasOnnx(): boolean {
  try {
    execFileSync("/usr/bin/python3", ["-c", "import onnx"], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}
