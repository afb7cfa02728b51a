/**
 * A convolution, a batch norm and perhaps an activation one behind the other: in inference one kernel call instead of two
 * or three, since in a small network the calls take as long as some of the operators.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedNormedConvolution, type NormedActivation } from "../engine/fused/convolution.js";
import { isRecording } from "../engine/fused/fused.js";
import { Relu, Relu6, Silu } from "./layers/activations.js";
import { BatchNorm2d } from "./layers/batch_norm2d.js";
import { Conv2d } from "./layers/conv2d.js";
import type { Module } from "./module.js";
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

  constructor(conv: Conv2d, norm: BatchNorm2d, activation: Activation | undefined) {
    this.modules = activation === undefined ? [conv, norm] : [conv, norm, activation.module];
    this.#conv = conv;
    this.#norm = norm;
    this.#activation = activation;
  }

  forward(input: tf.Tensor): tf.Tensor {
    const apart = this.#norm.training || isRecording() || this.#hasOwnForward;
    const together = apart ? undefined : this.#fused(input);
    return together ?? this.modules.reduce((value, module) => module.forward(value), input);
  }

  #fused(input: tf.Tensor): tf.Tensor | undefined {
    const { weight, settings, inChannels } = this.#conv;
    checkPictures("Conv2d", input, inChannels);
    const { runningMean: mean, runningVar: variance, weight: gamma, bias: beta, eps } = this.#norm;
    return fusedNormedConvolution(
      input as tf.Tensor4D,
      weight as tf.Tensor as tf.Tensor4D,
      { mean, variance, gamma, beta },
      {
        strides: settings.stride,
        padding: settings.padding,
        dilations: settings.dilation,
        eps,
        activation: this.#activation?.kernel,
      },
    );
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
