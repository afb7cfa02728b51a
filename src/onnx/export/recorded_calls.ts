/** While a graph is recorded, imported models are calls in it: their own nodes take the place of these later. */
import * as tf from "@tensorflow/tfjs-core";
import { recordOperator } from "../../engine/index.js";
import { nameInputs } from "../name_inputs.js";
import { toTensor } from "../values.js";
import type { OnnxInput, OnnxModule, OnnxOutput } from "../onnx_module.js";
import { MODEL_CALL } from "./inline_models.js";

/** An imported model whatever it gives. */
export type AnyOnnxModule = OnnxModule<tf.Tensor | OnnxOutput>;

/** Calls a function, in which the forward pass of each model records one operator. */
export function withRecordedCalls<T>(models: readonly AnyOnnxModule[], body: () => T): T {
  for (const [number, model] of models.entries()) {
    const forward = model.forward.bind(model);
    const recorded = (input: OnnxInput): tf.Tensor | OnnxOutput => {
      const inputs = Array.from(nameInputs(input, model.inputs).values(), toTensor);
      // Its operators tell the shapes, and nothing refers to them afterwards.
      const given = forward(input);
      const isAlone = given instanceof tf.Tensor;
      const outputs = model.outputs.map((name) => (isAlone ? given : given[name]!));
      const results = recordOperator(MODEL_CALL, inputs, outputs, { model: number });
      if (isAlone) return results[0]!;
      return Object.fromEntries(model.outputs.map((name, i) => [name, results[i]!]));
    };
    Object.defineProperty(model, "forward", { value: recorded, configurable: true, writable: true });
  }
  try {
    return body();
  } finally {
    for (const model of models) delete (model as { forward?: unknown }).forward;
  }
}
