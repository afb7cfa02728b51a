/** Files that are damaged, or made to do harm: an error of ours, quickly and in bounded memory. */
import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PbfWriter } from "pbf";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { encodeModel } from "../../src/onnx/format/encode.js";
import { encodeOnnx, OnnxModule, readOnnx, type OnnxModel } from "../../src/onnx/index.js";
import { onnxFuzz } from "../../bench/onnx_fuzz.js";
import { floats, graph, info, ints, model, node, tensor } from "./support/build.js";

const root = mkdtempSync(join(tmpdir(), "kindling-hostile-"));
afterAll(() => rmSync(root, { recursive: true }));

const code = (name: string, part = ""): unknown =>
  expect.objectContaining({
    code: expect.stringContaining(name) as string,
    message: expect.stringContaining(part) as string,
  });

/** What is declared is not allocated, whatever the file says. */
async function refused(what: () => unknown, error: unknown): Promise<void> {
  const before = process.memoryUsage().arrayBuffers;
  const start = performance.now();
  await expect(async () => what()).rejects.toThrow(error);
  expect(performance.now() - start).toBeLessThan(5000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
}

const network = readFileSync(join(import.meta.dirname, "../golden/onnx/network.onnx"));
const relu = () => model({ inputs: ["x"], outputs: ["y"], nodes: [node("Relu x -> y")] });

describe("bytes", () => {
  it("every truncation of a file is refused", async () => {
    for (let length = 0; length < network.length; length += 7) {
      await refused(
        () => readOnnx(network.subarray(0, length)).then((read) => new OnnxModule(read)),
        code("ERR_ONNX"),
      );
    }
  });

  it("what is no ONNX file at all", async () => {
    for (const bytes of [
      new Uint8Array(0),
      Buffer.from("<html>404</html>"),
      new Uint8Array(1000).fill(0xff),
    ]) {
      await refused(() => readOnnx(bytes), code("ERR_ONNX_DAMAGED"));
    }
  });

  it("lengths and numbers without end", async () => {
    const huge = Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    await refused(() => readOnnx(huge), code("ERR_ONNX_DAMAGED", "beyond the end"));
    const endless = Buffer.from([0x08, ...new Array<number>(20).fill(0xff)]);
    await refused(() => readOnnx(endless), code("ERR_ONNX_DAMAGED"));
  });

  it("graphs within graphs, thousands deep", async () => {
    let inner = new Uint8Array(0);
    for (let i = 0; i < 3000; i++) {
      const writer = new PbfWriter();
      // graph.node.attribute.g
      writer.writeMessage(
        1,
        (bytes: Uint8Array, nodeWriter: PbfWriter) => {
          nodeWriter.writeMessage(
            5,
            (value: Uint8Array, attribute: PbfWriter) => attribute.writeBytesField(6, value),
            bytes,
          );
        },
        inner,
      );
      inner = writer.finish() as Uint8Array<ArrayBuffer>;
    }
    const file = new PbfWriter();
    file.writeBytesField(7, inner);
    await refused(() => readOnnx(file.finish()), code("ERR_ONNX_DAMAGED", "deep"));
  });
});

describe("tensors", () => {
  const withWeight = (weight: Parameters<typeof tensor>) => {
    const written = relu();
    written.graph.initializers.set("w", tensor(...weight));
    return written;
  };

  it("4 GB that are declared and not there", async () => {
    const written = withWeight(["float32", [2 ** 30], new Float32Array(4)]);
    await refused(() => readOnnx(encodeOnnx(written)), code("ERR_ONNX_DAMAGED", "takes 4294967296 bytes"));
  });

  it("shapes that no memory holds, and shapes that are none", async () => {
    for (const shape of [[2 ** 40, 2 ** 40], [-1], [-2, -2]]) {
      const written = withWeight(["float32", shape, new Float32Array(4)]);
      await refused(() => readOnnx(encodeOnnx(written)), code("ERR_ONNX_DAMAGED", "shape"));
    }
  });

  it("data of another length than the shape says", async () => {
    const written = withWeight(["int64", [3], BigInt64Array.of(1n, 2n)]);
    await refused(() => readOnnx(encodeOnnx(written)), code("ERR_ONNX_DAMAGED", "takes 24 bytes"));
  });

  it("sparse tensors that would fill the memory, or have values outside of it", async () => {
    const sparse = (shape: number[], places: number[]) => {
      const written = relu();
      written.graph.sparseInitializers.set("w", {
        values: floats([places.length], places),
        indices: ints(places),
        shape,
      });
      written.graph.nodes = [node("Add x, w -> y")];
      return encodeOnnx(written);
    };
    for (const bytes of [sparse([2 ** 20, 2 ** 20], [5]), sparse([2, 2], [4]), sparse([2, 2], [-1])]) {
      await refused(
        () => readOnnx(bytes).then((read) => new OnnxModule(read)),
        code("ERR_ONNX_DAMAGED", "sparse"),
      );
    }
  });
});

describe("graphs", () => {
  it("cycles", async () => {
    const written = model({
      inputs: ["x"],
      outputs: ["y"],
      nodes: [node("Add x, c -> b"), node("Relu b -> c"), node("Relu c -> y")],
    });
    await refused(() => new OnnxModule(written), code("ERR_ONNX_GRAPH", "cycle"));
  });

  it("nodes in any order are sorted", () => {
    const written = model({
      inputs: ["x"],
      outputs: ["y"],
      nodes: [node("Neg c -> y"), node("Relu b -> c"), node("Neg x -> b")],
    });
    expect(() => new OnnxModule(written)).not.toThrow();
  });

  it("two values of one name, and values that nobody gives", async () => {
    const twice = model({ inputs: ["x"], outputs: ["y"], nodes: [node("Relu x -> y"), node("Neg x -> y")] });
    await refused(() => new OnnxModule(twice), code("ERR_ONNX_GRAPH", "Two values"));
    const missing = model({ inputs: ["x"], outputs: ["y"], nodes: [node("Add x, z -> y")] });
    await refused(() => new OnnxModule(missing), code("ERR_ONNX_GRAPH", '"z"'));
  });

  it("functions that call themselves, or grow without end", async () => {
    const calls = (name: string, called: string, count: number) => ({
      name,
      domain: "own",
      overload: "",
      inputs: ["a"],
      outputs: ["b"],
      attributes: [],
      attributeDefaults: new Map(),
      nodes: Array.from({ length: count }, (_, i) =>
        node(`${called} ${i === 0 ? "a" : `t${i - 1}`} -> ${i === count - 1 ? "b" : `t${i}`}`),
      ),
      opsetImports: new Map([["", 17]]),
      docString: "",
      metadata: {},
    });
    const written = (functions: OnnxModel["functions"]) => ({
      ...model({ inputs: ["x"], outputs: ["y"], nodes: [node("own:f0 x -> y")] }),
      functions,
    });
    await refused(
      () => new OnnxModule(written([calls("f0", "own:f0", 1)])),
      code("ERR_ONNX_GRAPH", "itself"),
    );
    const bomb = Array.from({ length: 30 }, (_, i) =>
      calls(`f${i}`, i === 29 ? "Relu" : `own:f${i + 1}`, 10),
    );
    await refused(() => new OnnxModule(written(bomb)), code("ERR_ONNX_GRAPH", "grow"));
  });

  it("loops without end", async () => {
    const body = graph({
      inputs: [info("i", [], "int64"), info("on", [], "bool"), info("s")],
      outputs: [info("goes_on", [], "bool"), info("next")],
      nodes: [node("Identity on -> goes_on"), node("Identity s -> next")],
    });
    const written = model({
      inputs: ["x"],
      outputs: ["y"],
      nodes: [node("Loop count, , x -> y", { body })],
      initializers: { count: tensor("int64", [], BigInt64Array.of(2n ** 63n - 1n)) },
    });
    const { tf } = await import("../../src/index.js");
    await refused(() => new OnnxModule(written).forward(tf.ones([2])), code("ERR_ONNX_OPERATOR", "rounds"));
  });
});

describe("arrays in other files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(root, "model-"));
  });

  /** A model whose weight of four floats is said to be elsewhere. */
  function write(
    location: string,
    { offset = 0, length = 16, name = "model.onnx", elements = 4 } = {},
  ): string {
    const written = model({ inputs: ["x"], outputs: ["y"], nodes: [node("Add x, w -> y")] });
    written.graph.initializers.set("w", tensor("float32", [elements], new Float32Array(0), "w"));
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat(encodeModel(written, () => ({ location, offset, length }))));
    return path;
  }

  it("are not read outside of the model's folder", async () => {
    writeFileSync(join(root, "secret"), Buffer.alloc(16));
    mkdirSync(join(folder, "inside"));
    for (const location of [
      "../secret",
      join(root, "secret"),
      "inside/../../secret",
      "..\\secret",
      "C:secret",
      "",
      ".",
    ]) {
      await refused(() => readOnnx(write(location)), code("ERR_ONNX_EXTERNAL_DATA"));
    }
  });

  it("are not read through links that lead out, but where the model is a link to the same folder, as in the hub's cache", async () => {
    const blobs = mkdtempSync(join(root, "blobs-"));
    writeFileSync(join(blobs, "b"), Buffer.alloc(16));
    symlinkSync(join(blobs, "b"), join(folder, "model.onnx_data"));
    const path = write("model.onnx_data");
    await refused(() => readOnnx(path), code("ERR_ONNX_EXTERNAL_DATA", "link"));
    linkSync(path, join(blobs, "a"));
    symlinkSync(join(blobs, "a"), join(folder, "linked.onnx"));
    const read = await readOnnx(join(folder, "linked.onnx"));
    expect(read.graph.initializers.get("w")!.data).toEqual(new Float32Array(4));
  });

  it("are whole, and no pipes or devices", async () => {
    writeFileSync(join(folder, "short"), Buffer.alloc(12));
    await refused(() => readOnnx(write("short")), code("ERR_ONNX_EXTERNAL_DATA", "the file has 12"));
    await refused(() => readOnnx(write("short", { offset: 2 ** 40 })), code("ERR_ONNX_EXTERNAL_DATA"));
    await refused(() => readOnnx(write("short", { length: 8 })), code("ERR_ONNX_EXTERNAL_DATA"));
    await refused(() => readOnnx(write("short", { offset: -4 })), code("ERR_ONNX_EXTERNAL_DATA"));
    await refused(() => readOnnx(write("missing")), code("ERR_ONNX_EXTERNAL_DATA", "missing"));
    const huge = { elements: 2 ** 30, length: 2 ** 32 };
    await refused(() => readOnnx(write("short", huge)), code("ERR_ONNX_EXTERNAL_DATA", "4294967296"));
    if (process.platform === "win32") return;
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await refused(() => readOnnx(write("pipe")), code("ERR_ONNX_EXTERNAL_DATA", "ordinary"));
    await refused(() => readOnnx(join(folder, "pipe")), code("ERR_ONNX_FILE", "ordinary"));
  });

  it("may be a hole of any size in the file, which is not read before it fits", async () => {
    writeFileSync(join(folder, "hole"), "");
    truncateSync(join(folder, "hole"), 2 ** 34);
    await refused(
      () => readOnnx(write("hole", { elements: 5 })),
      code("ERR_ONNX_EXTERNAL_DATA", "takes 20 bytes"),
    );
  });

  it("that overlap are refused, and share memory where they are the same", async () => {
    writeFileSync(join(folder, "data"), Buffer.alloc(64, 1));
    const written = model({ inputs: ["x"], outputs: ["x"], nodes: [] });
    for (const name of ["a", "b"])
      written.graph.initializers.set(name, tensor("float32", [4], new Float32Array(0), name));
    const writeAt = (offset: number) => {
      const pieces = encodeModel(written, ({ name }) => ({
        location: "data",
        offset: name === "a" ? 0 : offset,
        length: 16,
      }));
      writeFileSync(join(folder, "model.onnx"), Buffer.concat(pieces));
      return join(folder, "model.onnx");
    };
    await refused(() => readOnnx(writeAt(8)), code("ERR_ONNX_EXTERNAL_DATA", "overlaps"));
    const { initializers } = (await readOnnx(writeAt(0))).graph;
    expect((initializers.get("a")!.data as Float32Array).buffer).toBe(
      (initializers.get("b")!.data as Float32Array).buffer,
    );
    expect((await readOnnx(writeAt(16))).graph.initializers.get("b")!.data).toHaveLength(4);
  });
});

describe("fuzz", () => {
  it("of 400 damaged files each runs or is refused", async () => {
    const { crashes, hangs, defects, accepted, rejected } = await onnxFuzz(400, 1_000_000);
    expect({ crashes, hangs, defects }).toEqual({ crashes: 0, hangs: 0, defects: [] });
    expect((accepted as number) + (rejected as number)).toBe(400);
    expect(accepted).toBeGreaterThan(20);
  });
});
