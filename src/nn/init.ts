/**
 * First values of parameters, drawn on the host. Shapes are PyTorch's: [out, in, …kernel], fan-in is in times kernel size,
 * fan-out is out times kernel size.
 */
import { HostTensor } from "../host_tensor.js";
import { getGlobalGenerator, type Generator } from "../random.js";

type Shape = readonly number[];

export interface InitOptions {
  /** Where the numbers come from. Default: the global generator, which `seedEverything` seeds. */
  generator?: Generator;
}

export interface KaimingOptions extends InitOptions {
  /** Keep the variance in the forward pass (`fanIn`) or in the backward pass (`fanOut`). Default: `fanIn`. */
  mode?: "fanIn" | "fanOut";
  /** The slope of the leaky ReLU behind the layer, 0 for ReLU. Default: 0. */
  negativeSlope?: number;
}

export interface XavierOptions extends InitOptions {
  /** Factor for the activation behind the layer. Default: 1. */
  gain?: number;
}

/** He et al., "Delving deep into rectifiers" (2015): uniform in ±gain · √(3 / fan). */
export function kaimingUniform(shape: Shape, options: KaimingOptions = {}): HostTensor {
  const bound = Math.sqrt(3) * kaimingStd(shape, options);
  return uniform(shape, { low: -bound, high: bound, ...options });
}

/** He et al., "Delving deep into rectifiers" (2015): normal with deviation gain / √fan. */
export function kaimingNormal(shape: Shape, options: KaimingOptions = {}): HostTensor {
  return normal(shape, { std: kaimingStd(shape, options), ...options });
}

/** Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010), uniform. */
export function xavierUniform(shape: Shape, options: XavierOptions = {}): HostTensor {
  const bound = Math.sqrt(3) * xavierStd(shape, options);
  return uniform(shape, { low: -bound, high: bound, ...options });
}

/** Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010), normal. */
export function xavierNormal(shape: Shape, options: XavierOptions = {}): HostTensor {
  return normal(shape, { std: xavierStd(shape, options), ...options });
}

/** Uniform in [low, high). Default: [0, 1). */
export function uniform(
  shape: Shape,
  { low = 0, high = 1, generator = getGlobalGenerator() }: InitOptions & { low?: number; high?: number } = {},
): HostTensor {
  return fill(shape, () => generator.between(low, high));
}

/** Normal. Default: mean 0, standard deviation 1. */
export function normal(
  shape: Shape,
  { mean = 0, std = 1, generator = getGlobalGenerator() }: InitOptions & { mean?: number; std?: number } = {},
): HostTensor {
  return fill(shape, () => mean + std * generator.normal());
}

export interface TruncNormalOptions extends InitOptions {
  /** Of the normal distribution before it is cut. Default: 0. */
  mean?: number;
  /** Of the normal distribution before it is cut. Default: 1. */
  std?: number;
  /** Smallest value. Default: -2. */
  low?: number;
  /** Largest value. Default: 2. */
  high?: number;
}

/** Normal, drawn again where a value falls outside [low, high]. */
export function truncNormal(shape: Shape, options: TruncNormalOptions = {}): HostTensor {
  const { mean = 0, std = 1, low = -2, high = 2, generator = getGlobalGenerator() } = options;
  return fill(shape, () => {
    for (;;) {
      const value = mean + std * generator.normal();
      if (value >= low && value <= high) return value;
    }
  });
}

export function constant(shape: Shape, value: number): HostTensor {
  return fill(shape, () => value);
}

export function zeros(shape: Shape): HostTensor {
  return constant(shape, 0);
}

export function ones(shape: Shape): HostTensor {
  return constant(shape, 1);
}

/** PyTorch's default for the weight and bias of linear and convolutional layers: uniform in ±1 / √fanIn. */
export function defaultUniform(shape: Shape, fanIn: number): HostTensor {
  const bound = 1 / Math.sqrt(fanIn);
  return uniform(shape, { low: -bound, high: bound });
}

/**
 * Vaswani et al., "Attention is all you need" (2017): row i holds sin(i / 10000^(2k / width)) and the cosine of the same in
 * columns 2k and 2k + 1.
 *
 * @param shape [rows, width]
 * @param first the number of the first row. Default: 0.
 * @param step from row to row. Default: 1.
 */
export function sinusoids(
  shape: readonly [rows: number, width: number],
  { first = 0, step = 1 }: { first?: number; step?: number } = {},
): HostTensor {
  const [rows, width] = shape;
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      const angle = (first + row * step) / 10000 ** ((2 * Math.floor(column / 2)) / width);
      data[row * width + column] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return new HostTensor(data, shape);
}

function kaimingStd(shape: Shape, { mode = "fanIn", negativeSlope = 0 }: KaimingOptions): number {
  return Math.sqrt(2 / (1 + negativeSlope ** 2) / fans(shape)[mode]);
}

function xavierStd(shape: Shape, { gain = 1 }: XavierOptions): number {
  const { fanIn, fanOut } = fans(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

function fans([fanOut = 1, fanIn = 1, ...kernel]: Shape): { fanIn: number; fanOut: number } {
  const size = kernel.reduce((product, length) => product * length, 1);
  return { fanIn: fanIn * size, fanOut: fanOut * size };
}

function fill(shape: Shape, draw: () => number): HostTensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) data[i] = draw();
  return new HostTensor(data, shape);
}
