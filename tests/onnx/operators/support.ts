/** Models of one node, computed by the import and by ONNX Runtime, and differentiated. */
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { OrtArray, Session } from "../../../src/engine/runtime/index.js";
import { sizeOf, type OnnxType } from "../../../src/onnx/format/element_types.js";
import { encodeOnnx } from "../../../src/onnx/format/encode.js";
import type { OnnxAttribute, OnnxModel, OnnxTensor, OnnxValueInfo } from "../../../src/onnx/format/model.js";
import { importGraph } from "../../../src/onnx/import_graph.js";
import { deviceType, HostValue, toTensor, type OnnxValue } from "../../../src/onnx/values.js";
import { Generator } from "../../../src/random.js";
import { expectDerivatives, type Differences } from "../../support/finite_differences.js";

/** An input: data that is given to the model where it has a range, a constant in it where it has values. */
export interface NodeInput {
  shape: number[];
  /** Default: float32. */
  type?: OnnxType;
  values?: readonly number[];
  low?: number;
  high?: number;
}

export interface NodeCase {
  operator: string;
  domain?: string;
  /** Default: 20, and 1 in other domains. */
  opset?: number;
  inputs: readonly (NodeInput | undefined)[];
  attributes?: Record<string, OnnxAttribute>;
  /** The type of each output. Default: one of float32. */
  outputs?: readonly OnnxType[];
}

export const int = (value: number): OnnxAttribute => ({ kind: "int", value });
export const ints = (...value: number[]): OnnxAttribute => ({ kind: "ints", value });
export const float = (value: number): OnnxAttribute => ({ kind: "float", value });
export const floats = (...value: number[]): OnnxAttribute => ({ kind: "floats", value });
export const text = (value: string): OnnxAttribute => ({ kind: "string", value });
export const texts = (...value: string[]): OnnxAttribute => ({ kind: "strings", value });

/** Random floats in a range. */
export const data = (shape: number[], low = -2, high = 2): NodeInput => ({ shape, low, high });
/** Constant floats. */
export const fixed = (shape: number[], values: readonly number[]): NodeInput => ({ shape, values });
/** Constant integers. */
export const whole = (shape: number[], values: readonly number[], type: OnnxType = "int64"): NodeInput => ({
  shape,
  values,
  type,
});

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
} as const;

function constant(name: string, { shape, type = "float32", values }: NodeInput): OnnxTensor {
  const numbers = values!;
  const array =
    type === "int64"
      ? BigInt64Array.from(numbers, BigInt)
      : ARRAYS[type as keyof typeof ARRAYS].from(numbers);
  return { name, type, shape, data: array, docString: "" };
}

function info(name: string, type: OnnxType, shape: number[] | undefined): OnnxValueInfo {
  return { name, docString: "", type: { kind: "tensor", type, shape } };
}

export function modelOf({
  operator,
  domain = "",
  opset,
  inputs,
  attributes = {},
  outputs = ["float32"],
}: NodeCase): OnnxModel {
  const version = opset ?? (domain === "" ? 20 : 1);
  const named = inputs.map((input, i) => ({ name: input === undefined ? "" : `input${i}`, input }));
  const given = named.flatMap(({ name, input }) =>
    input !== undefined && input.values === undefined ? [{ name, input }] : [],
  );
  const known = named.flatMap(({ name, input }) =>
    input?.values === undefined ? [] : [constant(name, input)],
  );
  const results = outputs.map((type, i) => info(`output${i}`, type, undefined));
  const text = { docString: "", metadata: {} };
  return {
    ...text,
    irVersion: 10,
    opsetImports: new Map([
      ["", domain === "" ? version : 20],
      ...(domain === "" ? [] : [[domain, version] as const]),
    ]),
    producerName: "",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    functions: [],
    graph: {
      ...text,
      name: "graph",
      nodes: [
        {
          ...text,
          name: "",
          operator,
          domain,
          overload: "",
          inputs: named.map(({ name }) => name),
          outputs: results.map(({ name }) => name),
          attributes: new Map(Object.entries(attributes)),
        },
      ],
      inputs: given.map(({ name, input }) => info(name, input.type ?? "float32", input.shape)),
      outputs: results,
      valueInfo: [],
      initializers: new Map(known.map((tensor) => [tensor.name, tensor])),
      sparseInitializers: new Map(),
    },
  };
}

/** The inputs that are given to the model. */
function givenOf({ inputs }: NodeCase): NodeInput[] {
  return inputs.filter((input) => input !== undefined && input.values === undefined) as NodeInput[];
}

function randomValues({ shape, type = "float32", low = -2, high = 2 }: NodeInput, seed: number): number[] {
  const random = new Generator(11, seed);
  return Array.from({ length: sizeOf(shape) }, () =>
    deviceType(type) === "float32" ? random.between(low, high) : low + random.integer(high - low),
  );
}

/** What the import computes for the given inputs. */
export function computed(node: NodeCase, given: readonly OnnxValue[]): OnnxValue[] {
  const graph = importGraph(modelOf(node), {});
  for (const [, layer] of graph.layers) layer.eval();
  return graph.run(new Map(graph.inputs.map(({ name }, i) => [name, given[i]!])));
}

/** Compares every output with ONNX Runtime's. */
export function expectOnnxRuntime(node: NodeCase, tolerance = 1e-5): void {
  const numbers = givenOf(node).map(randomValues);
  const session = new Session(encodeOnnx(modelOf(node)));
  const arrays = givenOf(node).map(({ shape, type = "float32" }, i) => {
    const elements =
      type === "int64"
        ? BigInt64Array.from(numbers[i]!, BigInt)
        : ARRAYS[type as "float32"].from(numbers[i]!);
    return OrtArray.wrap(type as "float32", elements as Float32Array, shape);
  });
  const expected = session.run(
    arrays,
    session.outputNames.map(() => undefined),
  );
  tf.tidy(() => {
    const given = givenOf(node).map(({ shape, type = "float32" }, i) =>
      new HostValue(type, shape, numbers[i]!).tensor(),
    );
    computed(node, given)
      .slice(0, expected.length)
      .forEach((value, i) => {
        const reference = Array.from(expected[i]!.data as ArrayLike<number | bigint>, Number);
        expect(value.shape).toEqual([...expected[i]!.shape]);
        const actual = Array.from(toTensor(value).dataSync());
        const scale = reference.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
        reference.forEach((x, place) => {
          const difference =
            Object.is(x, actual[place]) || x === actual[place] ? 0 : Math.abs(x - actual[place]!);
          expect(difference, `output ${i} at ${place}: ${actual[place]} for ${x}`).toBeLessThanOrEqual(
            tolerance * scale,
          );
        });
      });
  });
}

/** Compares the gradients with respect to all inputs of floats with finite differences. */
export function expectGradients(node: NodeCase, differences: Differences = {}): void {
  const args = givenOf(node).map(({ shape, type = "float32", low = -2, high = 2 }) => ({
    shape,
    dtype: deviceType(type),
    low,
    high,
  }));
  const types = node.outputs ?? ["float32"];
  const operation = (...tensors: tf.Tensor[]): tf.Tensor => {
    const outputs = computed(node, tensors).filter((_, i) => i === 0 || types[i] === "float32");
    return tf.concat(outputs.map((output) => tf.reshape(tf.cast(toTensor(output), "float32"), [-1])));
  };
  expectDerivatives(operation, args, differences);
}

export interface CheckOptions {
  /** Of the comparison with ONNX Runtime, relative to the largest number. Default: 1e-5. */
  tolerance?: number;
  /** How gradients are compared with finite differences; false where there are none. */
  gradient?: Differences | false;
  /** False where ONNX Runtime cannot run the node on the CPU. */
  reference?: false;
}

export type Row = readonly [name: string, node: NodeCase, options?: CheckOptions];

/** One test a node: numbers as ONNX Runtime's, gradients as finite differences, no kernel on the slow fallback. */
export function checkNodes(rows: readonly Row[]): void {
  for (const [name, node, { tolerance, gradient = {}, reference } = {}] of rows) {
    it(`${node.operator}: ${name}`, () => {
      engine.resetStats();
      if (reference !== false) expectOnnxRuntime(node, tolerance);
      if (gradient !== false) expectGradients(node, gradient);
      expect(engine.stats().fallbackKernels).toEqual({});
    });
  }
}
