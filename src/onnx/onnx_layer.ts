/** The nodes of an imported model that own something, as modules. */
import { Module, ModuleBuffer, Parameter, type RunningStatistics } from "../nn/index.js";
import type { LayerMode } from "./operators/context.js";

/** A tensor of a layer with its name in the file. */
export type NamedTensor = readonly [name: string, tensor: Parameter | ModuleBuffer];

/** What every layer of a model is imported with. */
export interface LayerOptions {
  /** Whether batch norms use and move the batch's statistics in training. */
  batchNorm: "train" | "frozen";
  /** The probability of `Dropout` in training; that of the file if undefined. */
  dropout: number | undefined;
}

/** Layers hold parameters, and whether they train; the module of the model computes. Tensors keep the names of the file. */
export class OnnxLayer extends Module<never, never> implements LayerMode {
  readonly #tensors: NamedTensor[];
  readonly dropout: number | undefined;

  constructor(tensors: readonly NamedTensor[], { dropout }: LayerOptions) {
    super();
    this.#tensors = [...tensors];
    this.dropout = dropout;
  }

  override forward(): never {
    throw new TypeError("A layer of an ONNX model cannot be called alone: call the model.");
  }

  /** Tensors of another node of this layer. */
  add(tensors: readonly NamedTensor[]): this {
    this.#tensors.push(...tensors);
    return this;
  }

  protected override parts(): Iterable<[string, unknown]> {
    return this.#tensors.map(([name, tensor]) => [name, tensor]);
  }

  protected override get namesTensorsForParent(): boolean {
    return true;
  }
}

/** A batch norm, which has its statistics as buffers. */
export class OnnxBatchNorm extends OnnxLayer implements RunningStatistics {
  momentum: number;
  readonly runningMean: ModuleBuffer;
  readonly runningVar: ModuleBuffer;
  readonly #options: LayerOptions;

  /** @param momentum share of the batch's statistics, as PyTorch has it; ONNX's attribute is what is left of 1 */
  constructor(
    tensors: readonly NamedTensor[],
    statistics: { mean: ModuleBuffer; variance: ModuleBuffer; momentum: number },
    options: LayerOptions,
  ) {
    super(tensors, options);
    this.momentum = statistics.momentum;
    this.runningMean = statistics.mean;
    this.runningVar = statistics.variance;
    this.#options = options;
  }

  get usesBatchStatistics(): boolean {
    return this.training && this.#options.batchNorm === "train";
  }
}
