/**
 * What fused operators share. Each is one kernel of the engine forward and one backward; on every other TF.js backend it
 * is a composition of TF.js's operators.
 */
import * as tf from "@tensorflow/tfjs-core";
import { BACKEND_NAME } from "../backend.js";

/** Whether a fused kernel can take these tensors: the engine is active, and they are float32 with something in them. */
export function canFuse(...tensors: (tf.Tensor | undefined)[]): boolean {
  if (tf.getBackend() !== BACKEND_NAME) return false;
  for (const tensor of tensors) {
    if (tensor !== undefined && (tensor.dtype !== "float32" || tensor.size === 0)) return false;
  }
  return true;
}

/** Whether kernel calls are being noted for gradients. */
export function isRecording(): boolean {
  const { state } = tf.engine() as unknown as { state: { gradientDepth: number; kernelDepth: number } };
  return state.gradientDepth > 0 && state.kernelDepth === 0;
}

/** Runs a kernel with one output. Inputs that are `undefined` are left out. */
export function runFused<T extends tf.Tensor = tf.Tensor>(
  kernelName: string,
  inputs: Record<string, tf.Tensor | undefined>,
  attributes: tf.NamedAttrMap = {},
): T {
  return tf.engine().runKernel<T>(kernelName, present(inputs), attributes);
}

/** Runs a kernel with several outputs. */
export function runFusedAll(
  kernelName: string,
  inputs: Record<string, tf.Tensor | undefined>,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor[] {
  return tf.engine().runKernel(kernelName, present(inputs), attributes);
}

const ofFirstOutput = new Set<string>();

/** As TF.js's `registerGradient`, of a kernel with several outputs, into the first of which alone gradients flow. */
export function registerGradientOfFirstOutput(config: tf.GradConfig): void {
  ofFirstOutput.add(config.kernelName);
  tf.registerGradient(config);
}

/** Whether a kernel's gradient does not look at what flows into any but its first output. */
export function hasGradientOfFirstOutput(kernelName: string): boolean {
  return ofFirstOutput.has(kernelName);
}

function present(inputs: Record<string, tf.Tensor | undefined>): tf.NamedTensorMap {
  const given: tf.NamedTensorMap = {};
  for (const name in inputs) if (inputs[name] !== undefined) given[name] = inputs[name];
  return given;
}
