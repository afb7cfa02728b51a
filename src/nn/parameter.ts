/** The tensors that a module owns and changes: parameters, which are trained, and buffers, which are not. */
import * as tf from "@tensorflow/tfjs-core";
import { markWeight } from "../engine/index.js";
import type { HostTensor } from "../host_tensor.js";
import type { GradFactor } from "./grad_factor.js";

/**
 * A `tf.Variable` that TF.js's global registry does not know, so that a forgotten module is garbage collected. It belongs
 * to no scope: `tf.tidy` never disposes it.
 */
abstract class ModuleTensor extends tf.Variable {
  /** @param init the first value. A tensor stays the caller's; the array of a `HostTensor` must not be changed later. */
  constructor(init: tf.Tensor | HostTensor) {
    const tensor = init instanceof tf.Tensor ? tf.clone(init) : hostToTensor(init);
    // TF.js registers no variable under an empty name, so disposing this one cannot strike another off.
    super(tensor, true, "", tensor.id);
    tf.engine().incRef(this, tf.engine().backend);
    tensor.dispose();
    markWeight(this);
  }

  override assign(newValue: tf.Tensor): void {
    super.assign(newValue);
    markWeight(this);
  }

  /** Frees the memory now; without it, it is freed when the module is collected. */
  override dispose(): void {
    if (!this.isDisposed) super.dispose();
  }

  /** The test of ordinary classes: TF.js's own takes every variable for an instance of every subclass. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }
}

/** A tensor to be trained. */
export class Parameter extends ModuleTensor {
  /** Whether `computeGradients` computes a gradient for this parameter. Default: true. */
  requiresGrad = true;
  /**
   * The rank that has the gradient, where a strategy such as "zero1" leaves each to one: on the others `grad` is null.
   * Undefined while every rank has its own.
   */
  gradOwner: number | undefined;

  #grad: tf.Tensor | null = null;
  #gradFactor: GradFactor | undefined;

  /** The sum of the gradients since `zeroGrad`, of the parameter's shape; null before the first. Kept from scopes. */
  get grad(): tf.Tensor | null {
    if (this.#grad !== null && this.#gradFactor !== undefined) {
      this.replaceGrad(tf.mul(this.#grad, this.#gradFactor.tensor));
    }
    return this.#grad;
  }

  set grad(grad: tf.Tensor | null) {
    this.#gradFactor?.release();
    this.#gradFactor = undefined;
    this.#grad = grad;
  }

  /** Whether there is a gradient; asking for it might compute it. */
  get hasGrad(): boolean {
    return this.#grad !== null;
  }

  /** What `rawGrad` is still to be multiplied by; undefined for 1. */
  get gradFactor(): GradFactor | undefined {
    return this.#gradFactor;
  }

  /** The gradient without `gradFactor`, for an optimizer that multiplies by it in the pass that reads both. */
  get rawGrad(): tf.Tensor | null {
    return this.#grad;
  }

  /** Multiplies the gradient, if there is one, once somebody asks for it. */
  scaleGrad(factor: GradFactor): void {
    if (this.grad === null) return;
    factor.retain();
    this.#gradFactor = factor;
  }

  /** Disposes the gradient. */
  zeroGrad(): void {
    this.#grad?.dispose();
    this.grad = null;
    this.gradOwner = undefined;
  }

  /** Disposes the gradient and keeps another in its place. */
  replaceGrad(grad: tf.Tensor): void {
    this.#grad?.dispose();
    this.grad = tf.keep(grad);
  }

  override dispose(): void {
    this.zeroGrad();
    super.dispose();
  }
}

/** A tensor that belongs to a module's state and is not trained, such as running statistics. */
export class ModuleBuffer extends ModuleTensor {}

/** A tensor of the array's type; bytes become float32. */
export function hostToTensor({ data, shape, dtype }: HostTensor): tf.Tensor {
  return dtype === "uint8"
    ? tf.tensor(Float32Array.from(data), [...shape], "float32")
    : tf.tensor(data, [...shape], dtype);
}
