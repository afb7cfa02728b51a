/** What is exported: a function of named tensors, recorded and computed at any length of its dynamic axes. */
import * as tf from "@tensorflow/tfjs-core";
import {
  fromHost,
  markStep,
  recordGraph,
  type ElementArray,
  type RecordedGraph,
  type RecordedInput,
} from "../../engine/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { HostTensor, type HostArray } from "../../host_tensor.js";
import { isPlainObject, isTensor, mapNested } from "../../nested.js";
import type { AnyModule } from "../../nn/index.js";
import { OnnxModule } from "../onnx_module.js";
import { canUpgrade } from "./inline_models.js";
import type { DynamicAxes } from "./merge_recordings.js";
import { EXPORT_OPSET } from "./opset.js";
import type { OwnGraph } from "./own_model.js";
import { withRecordedCalls, type AnyOnnxModule } from "./recorded_calls.js";

/** Lengths by the names of dynamic axes. */
export type Lengths = Readonly<Record<string, number>>;

/** A known array of one of the types that inputs have. */
export interface Sample extends RecordedInput {
  data: ElementArray;
}

export class Subject {
  /** By the names of the graph's inputs. */
  readonly samples: Readonly<Record<string, Sample>>;
  readonly dynamicAxes: DynamicAxes;
  /** What the dynamic axes' lengths are in the samples. */
  readonly lengths: Lengths;
  readonly #module: AnyModule;
  readonly #input: unknown;
  readonly #forward: (input: never) => unknown;
  readonly #owner: string;
  /** Imported models below the module whose own nodes the graph gets, by their numbers in it. */
  readonly #imported: readonly AnyOnnxModule[];

  /**
   * @param input nested HostTensors and tensors: what `forward` takes
   * @param dynamicAxes by default, the first axis of every input is the `batch`
   * @param int64Inputs the int32 inputs that the graph takes as int64
   * @throws ConfigurationError `ERR_ONNX_SAMPLE`, `ERR_EXPORT_AXES`
   */
  constructor(
    module: AnyModule,
    input: unknown,
    {
      forward = (given) => module.forward(given),
      dynamicAxes,
      int64Inputs = [],
    }: { forward?: (input: never) => unknown; dynamicAxes?: DynamicAxes; int64Inputs?: readonly string[] },
  ) {
    this.#module = module;
    this.#forward = forward;
    this.#owner = module.constructor.name;
    this.#imported = Array.from(module.namedModules(), ([, part]) => part)
      .filter((part): part is AnyOnnxModule => part instanceof OnnxModule)
      .filter(({ own }) => own !== undefined && canUpgrade(own.graph, opsetOf(own.graph)));
    this.#input = input;
    const leaves = nameLeaves(
      input,
      "input",
      isArray,
      `No tensor was given to export ${this.#owner} with. Give an input of forward: a tensor or HostTensor, or those in ` +
        "arrays and objects. toOnnx takes it as inputSample or from exampleInputArray.",
    );
    const names = Object.keys(leaves);
    for (const name of int64Inputs) this.#checkName("int64Inputs", name, names);
    this.samples = Object.fromEntries(
      Object.entries(leaves).map(([name, leaf]) => [name, sampleOf(leaf, int64Inputs.includes(name))]),
    );
    for (const name in dynamicAxes) this.#checkName("dynamicAxes", name, names);
    this.dynamicAxes = dynamicAxes ?? this.#batchAxes();
    this.lengths = this.#lengthsOfSamples();
  }

  /** The graph of the function, as it is in eval mode, with these lengths in place of the samples'. */
  record(lengths: Lengths): RecordedGraph {
    const inputs = Object.fromEntries(
      Object.entries(this.samples).map(([name, { shape, dtype }]) => [
        name,
        { shape: this.#shapeAt(name, shape, lengths), dtype },
      ]),
    );
    return this.#inEvalMode(() =>
      withRecordedCalls(this.#imported, () =>
        recordGraph(inputs, (given) => this.#call(given), this.#module.stateDict()),
      ),
    );
  }

  /** The imported models that the recorded graph calls, with their weights as they are now. */
  importedModels(): OwnGraph[] {
    return this.#imported.map((model) => model.own!.withWeights(model.stateDict()));
  }

  /** The latest version of operators that imported models are written in; 0 where there are none. */
  get importedOpset(): number {
    return Math.max(0, ...this.#imported.map(({ own }) => own!.graph.opsets.get("") ?? 0));
  }

  /** The samples with other lengths: what they hold is repeated, or cut off. */
  samplesAt(lengths: Lengths): Record<string, Sample> {
    return Object.fromEntries(
      Object.entries(this.samples).map(([name, sample]) => [
        name,
        resized(sample, this.#shapeAt(name, sample.shape, lengths)),
      ]),
    );
  }

  /** What the function gives for such samples, in eval mode. */
  compute(samples: Readonly<Record<string, Sample>>): Record<string, HostTensor> {
    const results: Record<string, HostTensor> = {};
    this.#inEvalMode(() =>
      tf.tidy(() => {
        const tensors = Object.entries(samples).map(([name, sample]) => [name, tensorOf(sample)] as const);
        for (const [name, tensor] of Object.entries(this.#call(Object.fromEntries(tensors)))) {
          const data = tensor.dataSync<"float32" | "int32" | "bool">().slice();
          results[name] = new HostTensor(data, [...tensor.shape], tensor.dtype as "float32");
        }
      }),
    );
    return results;
  }

  #call(given: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
    const remaining = Object.values(given);
    const input = mapNested(this.#input, (leaf) => (isArray(leaf) ? remaining.shift() : leaf));
    return nameLeaves(
      this.#forward(input as never),
      "output",
      isTensor,
      `The forward pass of ${this.#owner} gave no tensor. Let it return one, or several in arrays and objects.`,
    );
  }

  #inEvalMode<T>(body: () => T): T {
    const modes = [...this.#module.namedModules()].map(([, part]) => [part, part.training] as const);
    this.#module.eval();
    try {
      return body();
    } finally {
      for (const [part, training] of modes) part.training = training;
      markStep();
    }
  }

  #batchAxes(): DynamicAxes {
    const withAxes = Object.entries(this.samples).filter(([, { shape }]) => shape.length > 0);
    return Object.fromEntries(withAxes.map(([name]) => [name, { 0: "batch" }]));
  }

  #lengthsOfSamples(): Lengths {
    const lengths: Record<string, number> = {};
    for (const [input, axes] of Object.entries(this.dynamicAxes)) {
      const { shape } = this.samples[input]!;
      for (const [axis, name] of Object.entries(axes)) {
        const length = shape[Number(axis)];
        if (length === undefined || length === 0) {
          this.#refuseAxes(
            `${input} has no axis ${axis} with elements: the shape given is [${shape.join(", ")}]`,
          );
        }
        if ((lengths[name] ??= length) === length) continue;
        this.#refuseAxes(
          `the axis ${name} is ${lengths[name]} long in one input and ${length} in ${input}, of shape [${shape.join(", ")}]. ` +
            "Give axes that differ names that differ",
        );
      }
    }
    return lengths;
  }

  #shapeAt(input: string, shape: readonly number[], lengths: Lengths): number[] {
    const names = this.dynamicAxes[input] ?? {};
    return shape.map((length, axis) => lengths[names[axis] ?? ""] ?? length);
  }

  #checkName(option: string, name: string, names: readonly string[]): void {
    if (names.includes(name)) return;
    throw new ConfigurationError(
      "ERR_EXPORT_AXES",
      `${option} names the input ${JSON.stringify(name)}, which ${this.#owner} was not given. ${describeChoices(name, names)}`,
    );
  }

  #refuseAxes(problem: string): never {
    throw new ConfigurationError(
      "ERR_EXPORT_AXES",
      `The dynamic axes do not fit the inputs given: ${problem}.`,
    );
  }
}

function opsetOf({ opsets }: OwnGraph): number {
  return Math.max(EXPORT_OPSET, opsets.get("") ?? 0);
}

/** One leaf has the given name, several are called as in their object or by their place. */
function nameLeaves<T>(
  value: unknown,
  name: string,
  isLeaf: (value: unknown) => value is T,
  problem: string,
): Record<string, T> {
  const named = Object.fromEntries(entriesOf(value, "", isLeaf).map(([path, leaf]) => [path || name, leaf]));
  if (Object.keys(named).length > 0) return named;
  throw new ConfigurationError("ERR_ONNX_SAMPLE", problem);
}

function entriesOf<T>(value: unknown, path: string, isLeaf: (value: unknown) => value is T): [string, T][] {
  if (isLeaf(value)) return [[path, value]];
  if (!Array.isArray(value) && !isPlainObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    entriesOf(item, path === "" ? key : `${path}.${key}`, isLeaf),
  );
}

function isArray(value: unknown): value is tf.Tensor | HostTensor {
  return isTensor(value) || value instanceof HostTensor;
}

function sampleOf(leaf: tf.Tensor | HostTensor, asInt64: boolean): Sample {
  const { shape } = leaf;
  const dtype = leaf.dtype as HostTensor["dtype"];
  const data = leaf instanceof HostTensor ? leaf.data : leaf.dataSync<"float32" | "int32">().slice();
  if (!asInt64) return { shape: [...shape], dtype, data };
  return {
    shape: [...shape],
    dtype: "int64",
    data: BigInt64Array.from(data as Int32Array, (item) => BigInt(item)),
  };
}

function tensorOf({ data, shape, dtype }: Sample): tf.Tensor {
  if (dtype === "int64")
    return tf.tensor(Int32Array.from(data as BigInt64Array, Number), [...shape], "int32");
  return fromHost(new HostTensor(data as HostArray, shape, dtype));
}

/** Each place of the new shape holds what is at its position, modulo the old lengths. */
function resized(sample: Sample, shape: readonly number[]): Sample {
  if (shape.join() === sample.shape.join()) return sample;
  const size = shape.reduce((a, b) => a * b, 1);
  const data = new (sample.data.constructor as new (length: number) => Float32Array)(size);
  const source = sample.data as Float32Array;
  const position = shape.map(() => 0);
  for (let i = 0; i < size; i++) {
    data[i] =
      source[
        position.reduce(
          (offset, place, axis) => offset * sample.shape[axis]! + (place % sample.shape[axis]!),
          0,
        )
      ]!;
    for (let axis = shape.length - 1; axis >= 0 && ++position[axis]! === shape[axis]; axis--)
      position[axis] = 0;
  }
  return { ...sample, shape: [...shape], data };
}
