/** What a model is given, by the names of its inputs, if it fits them. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import type { OnnxValueInfo } from "./format/model.js";
import type { OnnxInput } from "./onnx_module.js";
import { deviceType, HostValue, type OnnxValue } from "./values.js";

/**
 * Lengths are not compared with those of the file: many models take others than they were exported with.
 *
 * @throws ConfigurationError `ERR_ONNX_INPUT` for inputs that are missing, unknown, or of another type or number of axes
 */
export function nameInputs(input: OnnxInput, expected: readonly OnnxValueInfo[]): Map<string, OnnxValue> {
  const names = expected.map(({ name }) => name);
  const given = input instanceof tf.Tensor ? nameOne(input, names) : input;
  const missing = names.filter((name) => !Object.hasOwn(given, name));
  const unknown = Object.keys(given).filter((name) => !names.includes(name));
  if (missing.length > 0 || unknown.length > 0) {
    const came = Object.keys(given).join(", ");
    throw wrongInput(`The model takes the inputs ${names.join(", ")}, and ${came || "nothing"} came`);
  }
  return new Map(expected.map((info) => [info.name, valueOf(given[info.name]!, info)]));
}

function nameOne(input: tf.Tensor, names: readonly string[]): Record<string, tf.Tensor> {
  if (names.length === 1) return { [names[0]!]: input };
  throw wrongInput(`The model takes the inputs ${names.join(", ")}, and one tensor came. Name them`);
}

function valueOf(given: tf.Tensor | number | readonly number[], { name, type }: OnnxValueInfo): OnnxValue {
  const isKnown = type.kind === "tensor";
  if (!(given instanceof tf.Tensor)) {
    const values = typeof given === "number" ? [given] : [...given];
    const rank = isKnown ? type.shape?.length : undefined;
    const shape = typeof given === "number" && rank !== 1 ? [] : [values.length];
    checkRank(name, shape, rank);
    return new HostValue(isKnown ? type.type : "int64", shape, values);
  }
  if (!isKnown) return given;
  const expected = deviceType(type.type);
  if (given.dtype !== expected) {
    throw wrongInput(
      `The input ${name} is ${type.type} in the file, for which a tensor of ${expected} is given, not ${given.dtype}`,
    );
  }
  checkRank(name, given.shape, type.shape?.length);
  return given;
}

function checkRank(name: string, shape: readonly number[], rank: number | undefined): void {
  if (rank === undefined || shape.length === rank) return;
  throw wrongInput(`The input ${name} has ${rank} axes, and one of shape [${shape.join(", ")}] came`);
}

function wrongInput(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_ONNX_INPUT", `${problem}. Give what the module's \`inputs\` say.`);
}
