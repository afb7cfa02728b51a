/**
 * A convolution, a batch norm and perhaps an activation one behind the other: one kernel call instead of two to four, and in
 * training one for their gradients. In a small network the calls take as long as some of the operators.
 */
import type * as tf from "@tensorflow/tfjs-core";
import {
  fusedNormedConvolution,
  fusedNormedConvolutionInference,
  type NormedActivation,
  type NormedSizes,
  type TrainedActivation,
} from "../engine/fused/convolution.js";
import { isRecording } from "../engine/fused/fused.js";
import { Relu, Relu6, Silu } from "./layers/activations.js";
import { BatchNorm2d } from "./layers/batch_norm2d.js";
import { Conv2d } from "./layers/conv2d.js";
import type { Module } from "./module.js";
import { moveTo, runningOf } from "./running_statistics.js";
import { checkPictures } from "./shape_checks.js";

/** What a Sequential calls. */
export interface SequentialStep {
  forward(input: tf.Tensor): tf.Tensor;
}

/** Modules in order, those together that can be one call. */
export function stepsOf(modules: readonly Module[]): SequentialStep[] {
  const steps: SequentialStep[] = [];
  for (let at = 0; at < modules.length;) {
    const step = normedConvolutionAt(modules, at);
    steps.push(step ?? modules[at]!);
    at += step?.modules.length ?? 1;
  }
  return steps;
}

function normedConvolutionAt(modules: readonly Module[], at: number): NormedConvolution | undefined {
  const [conv, norm, last] = modules.slice(at, at + 3);
  if (!(conv instanceof Conv2d) || !(norm instanceof BatchNorm2d)) return undefined;
  if (conv.bias !== null || conv.outChannels !== norm.numFeatures) return undefined;
  const activation = ACTIVATIONS.find(({ layer }) => last instanceof layer);
  return new NormedConvolution(conv, norm, activation && { ...activation, module: last! });
}

const ACTIVATIONS: readonly Omit<Activation, "module">[] = [
  { layer: Relu, kernel: "Relu" },
  { layer: Relu6, kernel: "Relu6" },
  { layer: Silu, kernel: "Silu" },
];

interface Activation {
  readonly module: Module;
  readonly layer: { new (): Module; readonly prototype: Module };
  readonly kernel: NormedActivation;
}

class NormedConvolution implements SequentialStep {
  readonly modules: readonly Module[];
  readonly #conv: Conv2d;
  readonly #norm: BatchNorm2d;
  readonly #activation: Activation | undefined;
  readonly #trainingSizes: NormedSizes<TrainedActivation>;
  readonly #inferenceSizes: NormedSizes<NormedActivation>;

  constructor(conv: Conv2d, norm: BatchNorm2d, activation: Activation | undefined) {
    this.modules = activation === undefined ? [conv, norm] : [conv, norm, activation.module];
    this.#conv = conv;
    this.#norm = norm;
    this.#activation = activation;
    const { stride: strides, padding, dilation: dilations } = conv.settings;
    const sizes = { strides, padding, dilations, eps: norm.eps };
    const kernel = activation?.kernel;
    this.#trainingSizes = { ...sizes, activation: kernel === "Silu" ? undefined : kernel };
    this.#inferenceSizes = Object.freeze({ ...sizes, activation: kernel });
  }

  forward(input: tf.Tensor): tf.Tensor {
    const together = this.#hasOwnForward ? undefined : this.#together(input);
    return together ?? this.modules.reduce((value, module) => module.forward(value), input);
  }

  #together(input: tf.Tensor): tf.Tensor | undefined {
    const { training, isSynchronized } = this.#norm;
    if (training ? isSynchronized : isRecording()) return undefined;
    checkPictures("Conv2d", input, this.#conv.inChannels);
    return training ? this.#trained(input as tf.Tensor4D) : this.#inferred(input as tf.Tensor4D);
  }

  #trained(input: tf.Tensor4D): tf.Tensor | undefined {
    const { weight: gamma, bias: beta, momentum } = this.#norm;
    const norm = { running: runningOf(this.#norm), gamma, beta, momentum };
    const result = fusedNormedConvolution(input, this.#weight, norm, this.#trainingSizes);
    if (result === undefined) return undefined;
    const { output, moved } = result;
    this.#norm.checkCount(output);
    moveTo(this.#norm, moved);
    for (const tensor of Object.values(moved)) tensor.dispose();
    const isActivated = this.#trainingSizes.activation === this.#activation?.kernel;
    return isActivated ? output : this.#activation!.module.forward(output);
  }

  #inferred(input: tf.Tensor4D): tf.Tensor | undefined {
    const { runningMean: mean, runningVar: variance, weight: gamma, bias: beta } = this.#norm;
    const norm = { mean, variance, gamma, beta };
    return fusedNormedConvolutionInference(input, this.#weight, norm, this.#inferenceSizes);
  }

  get #weight(): tf.Tensor4D {
    return this.#conv.weight as tf.Tensor as tf.Tensor4D;
  }

  /** Whether a part has a `forward` of its own, as an observer's or a subclass's. */
  get #hasOwnForward(): boolean {
    return (
      this.#conv.forward !== Conv2d.prototype.forward ||
      this.#norm.forward !== BatchNorm2d.prototype.forward ||
      (this.#activation !== undefined &&
        this.#activation.module.forward !== this.#activation.layer.prototype.forward)
    );
  }
}
