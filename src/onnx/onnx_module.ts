/** An ONNX model as a module: its initializers are parameters, and its nodes differentiable operators. */
import * as tf from "@tensorflow/tfjs-core";
import { Module } from "../nn/index.js";
import { importGraph, type ImportedGraph, type OnnxOptions } from "./import_graph.js";
import type { OnnxModel, OnnxValueInfo } from "./format/model.js";
import { OwnModel } from "./export/own_model.js";
import { nameInputs } from "./name_inputs.js";
import { toTensor } from "./values.js";

/**
 * One tensor for a model with one input, or each input by its name. Numbers are known while the graph is recorded, so that
 * they can decide what is computed, as a sampling rate may; each other number makes a graph of its own.
 */
export type OnnxInput = tf.Tensor | Readonly<Record<string, tf.Tensor | number | readonly number[]>>;

/** Every output by its name. */
export type OnnxOutput = Record<string, tf.Tensor>;

/**
 * The parameters have the names of the file's initializers. Below this module lies one for each node that has parameters or
 * computes something else in training, in the order in which they run, so that it can be unfrozen layer by layer.
 */
export class OnnxModule<Output extends tf.Tensor | OnnxOutput = OnnxOutput> extends Module<
  OnnxInput,
  Output
> {
  /** Name, type and shape of each input; shapes in ONNX's order of axes. */
  readonly inputs: readonly OnnxValueInfo[];
  /** The names of what `forward` computes. */
  readonly outputs: readonly string[];
  readonly #graph: ImportedGraph;
  readonly #feature: string | undefined;
  /** The file's own nodes, for an export; undefined where they do not hold the weights as this module does. */
  readonly #own: OwnModel | undefined;

  /** As `loadOnnx`, from a model that has been read. */
  constructor(model: OnnxModel, options: OnnxOptions = {}) {
    super();
    this.#graph = importGraph(model, options);
    this.inputs = this.#graph.inputs;
    this.outputs = this.#graph.outputs;
    this.#feature = options.features;
    const between = { inputs: this.inputs.map(({ name }) => name), outputs: this.outputs };
    this.#own = OwnModel.of(model, between, new Set(Object.keys(this.stateDict())));
  }

  /**
   * @returns the tensor that was asked for as `features`, or every output by its name
   * @throws ConfigurationError `ERR_ONNX_INPUT` for inputs that are missing, unknown or of another type or shape
   */
  override forward(input: OnnxInput): Output {
    const given = nameInputs(input, this.inputs);
    return tf.tidy(() => {
      const values = this.#graph.run(given);
      const outputs = Object.fromEntries(this.outputs.map((name, i) => [name, toTensor(values[i]!)]));
      return (this.#feature === undefined ? outputs : outputs[this.#feature]!) as Output;
    });
  }

  /** Kept for an export: the file's own nodes and what of its arrays this module did not change. */
  get own(): OwnModel | undefined {
    return this.#own;
  }

  protected override parts(): Iterable<[string, unknown]> {
    return this.#graph.layers;
  }
}
