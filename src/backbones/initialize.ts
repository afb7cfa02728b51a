/** First weights as the publishers of the architectures draw them. */
import * as tf from "@tensorflow/tfjs-core";
import type { HostTensor } from "../host_tensor.js";
import { Conv2d, init, Linear, type AnyModule, type Parameter } from "../nn/index.js";

/** Convolutions by He et al. (2015), normal, for the backward pass; their biases 0: torchvision's for nets of convolutions. */
export function initializeConvolutions(module: AnyModule): void {
  initialize(module, Conv2d, (shape) => init.kaimingNormal(shape, { mode: "fanOut" }));
}

/** Convolutions and linear layers by a normal distribution of deviation 0.02, cut at ±2; their biases 0: ConvNeXt's. */
export function initializeTruncatedNormal(module: AnyModule): void {
  for (const layer of [Conv2d, Linear] as const) {
    initialize(module, layer, (shape) => init.truncNormal(shape, { std: 0.02 }));
  }
}

function initialize(
  root: AnyModule,
  layer: typeof Conv2d | typeof Linear,
  draw: (shape: readonly number[]) => HostTensor,
): void {
  for (const [, module] of root.namedModules()) {
    if (!(module instanceof layer)) continue;
    setValue(module.weight, draw(module.weight.shape));
    if (module.bias !== null) setValue(module.bias, init.zeros(module.bias.shape));
  }
}

/** Gives a parameter another value. */
export function setValue(parameter: Parameter, { data, shape }: HostTensor): void {
  tf.tidy(() => parameter.assign(tf.tensor(data, [...shape])));
}
