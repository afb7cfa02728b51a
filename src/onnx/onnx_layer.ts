/** A node of an imported model with what it owns. */
import { Module, type ModuleBuffer, type Parameter } from "../nn/index.js";
import type { LayerMode } from "./operators/context.js";

/** Layers hold parameters, and whether they train; the module of the model computes. Tensors keep the names of the file. */
export class OnnxLayer extends Module<never, never> implements LayerMode {
  readonly #tensors: readonly (readonly [string, Parameter | ModuleBuffer])[];

  constructor(tensors: readonly (readonly [string, Parameter | ModuleBuffer])[]) {
    super();
    this.#tensors = tensors;
  }

  override forward(): never {
    throw new TypeError("A layer of an ONNX model cannot be called alone: call the model.");
  }

  protected override parts(): Iterable<[string, unknown]> {
    return this.#tensors.map(([name, tensor]) => [name, tensor]);
  }

  protected override get namesTensorsForParent(): boolean {
    return true;
  }
}
