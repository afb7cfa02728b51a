/** Runs the ONNX project's test cases through the import: every operator in the form in which it is trained. */
import * as tf from "@tensorflow/tfjs-core";
import "../src/engine/index.js";
import { isFloatType } from "../src/onnx/format/element_types.js";
import type { OnnxTensor } from "../src/onnx/format/model.js";
import { numbersOf } from "../src/onnx/format/numbers.js";
import { importGraph } from "../src/onnx/import_graph.js";
import { readOnnx } from "../src/onnx/read.js";
import { deviceType, HostValue, isHost, type OnnxValue } from "../src/onnx/values.js";
import { findCases, GROUPS, readArrays, type Case, type Group } from "./onnx_cases.js";
import { exceptions } from "./onnx_exceptions.js";

/** Those of ONNX's own runner. */
const RELATIVE_TOLERANCE = 1e-3;
const ABSOLUTE_TOLERANCE = 1e-7;

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
    const graph = importGraph(await readOnnx(model), {});
    for (const dataSet of dataSets) {
      const inputs = await readArrays(dataSet, "input");
      const expected = await readArrays(dataSet, "output");
      const problem = tf.tidy(() => {
        const given = new Map(graph.inputs.map(({ name }, i) => [name, asInput(inputs[i]!)]));
        const values = graph.run(given);
        return graph.outputs
          .map((name, i) => difference(values[i]!, expected[i]!, name))
          .find((text) => text !== undefined);
      });
      if (problem !== undefined) return problem;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Floats are on the device, as what is trained; the rest is known while tracing, as the shapes among it must be. */
function asInput(tensor: OnnxTensor): OnnxValue {
  const value = new HostValue(tensor.type, tensor.shape, numbersOf(tensor));
  return isFloatType(tensor.type) ? value.tensor() : value;
}

function difference(value: OnnxValue, expected: OnnxTensor, name: string): string | undefined {
  if (value.shape.join() !== expected.shape.join()) {
    return `${name} has the shape [${value.shape.join()}], not [${expected.shape.join()}]`;
  }
  const type = isHost(value) ? value.type : value.dtype;
  const expectedType = isHost(value) ? expected.type : deviceType(expected.type);
  if (type !== expectedType) return `${name} is of type ${type}, not ${expectedType}`;
  const actual = isHost(value) ? value.data : (value.dataSync() as ArrayLike<number>);
  const wanted = numbersOf(expected);
  const place = Array.from(wanted).findIndex((number, i) => !isClose(actual[i]!, number));
  if (place === -1) return undefined;
  return `${name} at ${place} is ${actual[place]}, not ${wanted[place]}`;
}

function isClose(actual: number, expected: number): boolean {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return true;
  return Math.abs(actual - expected) <= ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * Math.abs(expected);
}
