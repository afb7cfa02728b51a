/** A module's forward pass as an ONNX file. */
import * as tf from "@tensorflow/tfjs-core";
import { exportOnnx, markStep } from "../engine/index.js";
import { ConfigurationError } from "../errors.js";
import type { AnyModule } from "../nn/index.js";
import { isPlainObject, isTensor, mapNested } from "../nested.js";
import { toDevice } from "./to_device.js";

/**
 * The bytes of a model of what `forward` does in eval mode, for inputs of the sample's shapes.
 *
 * @throws ConfigurationError `ERR_ONNX_SAMPLE` where there is no sample, or no tensor in it or in the result
 * @throws EngineError `ERR_ONNX_EXPORT` where the forward pass reads values that depend on its input
 */
export function encodeOnnx(module: AnyModule, sample: unknown): Uint8Array {
  const modes = [...module.namedModules()].map(([, part]) => [part, part.training] as const);
  const owner = module.constructor.name;
  module.eval();
  let tensors: unknown;
  tf.tidy(() => {
    tensors = mapNested(toDevice(sample), (leaf) => (isTensor(leaf) ? tf.keep(tf.clone(leaf)) : leaf));
  });
  const samples = nameTensors(tensors, "input", `${owner}.toOnnx's sample`);
  try {
    return exportOnnx(
      samples,
      (inputs) => {
        const remaining = Object.values(inputs);
        const given = mapNested(tensors, (leaf) => (isTensor(leaf) ? remaining.shift() : leaf));
        return nameTensors(module.forward(given as never), "output", `${owner}.forward's result`);
      },
      module.stateDict(),
    );
  } finally {
    for (const tensor of Object.values(samples)) tensor.dispose();
    for (const [part, training] of modes) part.training = training;
    markStep();
  }
}

/** One tensor has the given name, several are called as in their object or by their place. */
function nameTensors(value: unknown, name: string, what: string): Record<string, tf.Tensor> {
  const named = Object.fromEntries(entriesOf(value, "").map(([path, tensor]) => [path || name, tensor]));
  if (Object.keys(named).length > 0) return named;
  throw new ConfigurationError(
    "ERR_ONNX_SAMPLE",
    `${what} holds no tensor. Give toOnnx an input of forward, or set exampleInputArray: a tensor or HostTensor, or ` +
      "those in arrays and objects; and let forward return tensors.",
  );
}

function entriesOf(value: unknown, path: string): [string, tf.Tensor][] {
  if (isTensor(value)) return [[path, value]];
  if (!Array.isArray(value) && !isPlainObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    entriesOf(item, path === "" ? key : `${path}.${key}`),
  );
}
