/** A model with the weights that a module made of it has now. */
import type { Module } from "../../nn/index.js";
import type { OnnxModel, OnnxTensor } from "../format/model.js";

/**
 * The file's model with the module's parameters and buffers in the place of its initializers, which it shares with the
 * given one as far as they are not weights.
 *
 * @returns undefined where the file does not hold each weight as one float32 initializer of its graph: where weights are
 *   quantized or halves, or belong to a function
 */
export function withWeights(model: OnnxModel, module: Module<never, unknown>): OnnxModel | undefined {
  const initializers = new Map(model.graph.initializers);
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    const initial = initializers.get(name);
    if (initial?.type !== "float32") return undefined;
    const current: OnnxTensor = { ...initial, data: tensor.dataSync<"float32">() };
    initializers.set(name, current);
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
