/** An ONNX model as a module: its initializers are parameters, and its nodes differentiable operators. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { Module } from "../nn/index.js";
import { importGraph, type ImportedGraph, type OnnxOptions } from "./import_graph.js";
import type { OnnxModel, OnnxValueInfo } from "./format/model.js";
import { toTensor, type OnnxValue } from "./values.js";

/** One tensor for a model with one input, or each input by its name. */
export type OnnxInput = tf.Tensor | Readonly<Record<string, tf.Tensor>>;

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

  /** As `loadOnnx`, from a model that has been read. */
  constructor(model: OnnxModel, options: OnnxOptions = {}) {
    super();
    this.#graph = importGraph(model, options);
    this.inputs = this.#graph.inputs;
    this.outputs = this.#graph.outputs;
    this.#feature = options.features;
  }

  /**
   * @returns the tensor that was asked for as `features`, or every output by its name
   * @throws ConfigurationError `ERR_ONNX_INPUT` for inputs that are missing, unknown or of another type or shape
   */
  override forward(input: OnnxInput): Output {
    const given = this.#named(input);
    return tf.tidy(() => {
      const values = this.#graph.run(given);
      const outputs = Object.fromEntries(this.outputs.map((name, i) => [name, toTensor(values[i]!)]));
      return (this.#feature === undefined ? outputs : outputs[this.#feature]!) as Output;
    });
  }

  protected override parts(): Iterable<[string, unknown]> {
    return this.#graph.layers;
  }

  #named(input: OnnxInput): Map<string, OnnxValue> {
    const expected = this.inputs.map(({ name }) => name);
    if (input instanceof tf.Tensor) {
      if (expected.length === 1) return new Map([[expected[0]!, input]]);
      throw new ConfigurationError(
        "ERR_ONNX_INPUT",
        `The model takes ${expected.length} inputs, and one tensor came. Give { ${expected.join(", ")} }.`,
      );
    }
    const missing = expected.filter((name) => !Object.hasOwn(input, name));
    const unknown = Object.keys(input).filter((name) => !expected.includes(name));
    if (missing.length === 0 && unknown.length === 0) return new Map(Object.entries(input));
    throw new ConfigurationError(
      "ERR_ONNX_INPUT",
      `The model takes the inputs ${expected.join(", ")}, and ${Object.keys(input).join(", ") || "none"} came.`,
    );
  }
}
