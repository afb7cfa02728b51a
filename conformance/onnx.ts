/** Runs the ONNX project's test cases through the import: every operator in the form in which it is trained. */
import * as tf from "@tensorflow/tfjs-core";
import "../src/engine/index.js";
import { isFloatType, type OnnxType } from "../src/onnx/format/element_types.js";
import type { OnnxTensor, OnnxValueInfo, OnnxValueType } from "../src/onnx/format/model.js";
import { numbersOf } from "../src/onnx/format/numbers.js";
import { importGraph } from "../src/onnx/import_graph.js";
import { readOnnx } from "../src/onnx/read.js";
import { deviceType, HostValue, isHost, OnnxSequence, type OnnxValue } from "../src/onnx/values.js";
import { findCases, GROUPS, readValues, type Case, type Group, type TestValue } from "./onnx_cases.js";
import { exceptions } from "./onnx_exceptions.js";

/** Those of ONNX's own runner. */
const RELATIVE_TOLERANCE = 1e-3;
const ABSOLUTE_TOLERANCE = 1e-7;
/** What eight bits leave: the device computes in float32 where a model has bfloat16. */
const BFLOAT16_TOLERANCE = 2 ** -7;

export interface OnnxCounts {
  passed: number;
  failed: number;
  /** Cases that `onnx_exceptions.ts` names. */
  unsupported: number;
}

export interface OnnxConformance {
  counts: Record<Group, OnnxCounts>;
  /** Cases that fail and are no exceptions, with what went wrong. */
  failures: Record<string, string>;
  /** Exceptions that pass, or that name no case. */
  outdated: string[];
}

/** @param only part of the names of the cases to run; all without it */
export async function runOnnxCases(only = ""): Promise<OnnxConformance> {
  await tf.setBackend("onnxruntime");
  const counts = {} as Record<Group, OnnxCounts>;
  const failures: Record<string, string> = {};
  const outdated: string[] = [];
  const seen = new Set<string>();
  for (const group of GROUPS) {
    counts[group] = { passed: 0, failed: 0, unsupported: 0 };
    for (const testCase of await findCases(group, only)) {
      const name = `${group}/${testCase.name}`;
      seen.add(name);
      const problem = await problemOf(testCase);
      const isException = Object.hasOwn(exceptions, name);
      if (problem === undefined) counts[group].passed++;
      else if (isException) counts[group].unsupported++;
      else counts[group].failed++;
      if (problem === undefined && isException) outdated.push(name);
      if (problem !== undefined && !isException) failures[name] = problem;
    }
  }
  const isWanted = (name: string): boolean => name.split("/")[1]!.includes(only);
  outdated.push(...Object.keys(exceptions).filter((name) => isWanted(name) && !seen.has(name)));
  return { counts, failures, outdated };
}

/** What goes wrong in a case; undefined if nothing does. */
async function problemOf({ model, dataSets }: Case): Promise<string | undefined> {
  try {
    const read = await readOnnx(model);
    const graph = importGraph(read, {});
    for (const [, layer] of graph.layers) layer.eval();
    for (const dataSet of dataSets) {
      const inputs = await readValues(dataSet, "input", typesOf(read.graph.inputs));
      const expected = await readValues(dataSet, "output", typesOf(read.graph.outputs));
      const problem = tf.tidy(() => {
        const given = new Map<string, OnnxValue>();
        graph.inputs.forEach((info, i) => {
          const value = asInput(inputs[i], info);
          if (value !== undefined) given.set(info.name, value);
        });
        const values = graph.run(given);
        return read.graph.outputs
          .map((info, i) => difference(values[i]!, expected[i], info))
          .find((text) => text !== undefined);
      });
      if (problem !== undefined) return problem;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Inputs that are settings, which models have as constants. */
const SETTINGS = ["scales", "roi"];

/**
 * Floats are on the device, as what is trained. The rest is known while tracing, as the shapes among it must be; so are
 * single numbers, which models have as constants too, and float64, which no device has.
 */
function asInput(given: TestValue, { name, type }: OnnxValueInfo): OnnxValue | undefined {
  if (given === undefined) return undefined;
  if (Array.isArray(given)) {
    const values = given.map((each) => asInput(each, { name, type: { kind: "unknown" }, docString: "" })!);
    return new OnnxSequence(values) as unknown as OnnxValue;
  }
  const typed = withType(given, type);
  const value = new HostValue(typed.type, typed.shape, numbersOf(typed));
  const isSetting = SETTINGS.includes(name) || typed.shape.length === 0 || typed.type === "float64";
  return isFloatType(typed.type) && !isSetting ? value.tensor() : value;
}

/** The test cases keep bfloat16 as the integers of its bits. */
function withType(tensor: OnnxTensor, type: OnnxValueType | undefined): OnnxTensor {
  const isBits = type?.kind === "tensor" && type.type === "bfloat16" && tensor.type === "uint16";
  return isBits ? { ...tensor, type: "bfloat16" } : tensor;
}

function typesOf(infos: readonly OnnxValueInfo[]): OnnxValueType[] {
  return infos.map(({ type }) => type);
}

function difference(value: OnnxValue, wanted: TestValue, { name, type }: OnnxValueInfo): string | undefined {
  if (!Array.isArray(wanted)) {
    return wanted === undefined ? undefined : arrayDifference(value, withType(wanted, type), name);
  }
  const values: unknown = value;
  if (!(values instanceof OnnxSequence) || values.values.length !== wanted.length) {
    return `${name} is no sequence of ${wanted.length}`;
  }
  return wanted
    .map((each, i) =>
      difference(values.values[i]!, each, {
        name: `${name}[${i}]`,
        type: { kind: "unknown" },
        docString: "",
      }),
    )
    .find((text) => text !== undefined);
}

function arrayDifference(value: OnnxValue, expected: OnnxTensor, name: string): string | undefined {
  if (value.shape.join() !== expected.shape.join()) {
    return `${name} has the shape [${value.shape.join()}], not [${expected.shape.join()}]`;
  }
  // Of floats only the device knows the type, and it has one.
  const typeIn = (each: OnnxType): OnnxType =>
    isHost(value) && !isFloatType(each) ? each : deviceType(each);
  const type = isHost(value) ? typeIn(value.type) : value.dtype;
  if (type !== typeIn(expected.type)) return `${name} is of type ${type}, not ${typeIn(expected.type)}`;
  const actual = isHost(value) ? value.data : (value.dataSync() as ArrayLike<number>);
  const wanted = numbersOf(expected);
  const tolerance = expected.type === "bfloat16" ? BFLOAT16_TOLERANCE : RELATIVE_TOLERANCE;
  const place = Array.from(wanted).findIndex((number, i) => !isClose(actual[i]!, number, tolerance));
  if (place === -1) return undefined;
  return `${name} at ${place} is ${actual[place]}, not ${wanted[place]}`;
}

function isClose(actual: number, expected: number, tolerance: number): boolean {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return true;
  return Math.abs(actual - expected) <= ABSOLUTE_TOLERANCE + tolerance * Math.abs(expected);
}
