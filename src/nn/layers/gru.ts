/** GRU: layers of gated recurrent units over sequences. */
import * as tf from "@tensorflow/tfjs-core";
import { fusedGru } from "../../engine/fused/gru.js";
import { ConfigurationError } from "../../errors.js";
import { defaultUniform } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { formatShape } from "../shape_checks.js";
import { Dropout } from "./dropout.js";

/** Options of `GRU`. */
export interface GRUOptions {
  /** Layers on top of each other. Default: 1. */
  numLayers?: number;
  /** Whether inputs are [batch, frames, inputSize] rather than [frames, batch, inputSize]. Default: false. */
  batchFirst?: boolean;
  /** Of the outputs of each layer but the last, in training. Default: 0. */
  dropout?: number;
  /** Whether a second unit reads each sequence from its end, its outputs beside the first one's. Default: false. */
  bidirectional?: boolean;
}

/** What a GRU may be told besides its input. */
export interface GRUState {
  /** int32 [batch]: the frames of each sequence. Outputs behind them are 0, and the way back starts at them. Default: all. */
  lengths?: tf.Tensor | undefined;
  /** [numLayers · directions, batch, hiddenSize]: the states before the first frame. Default: 0. */
  h0?: tf.Tensor | undefined;
}

interface DirectionWeights {
  weightIh: Parameter;
  weightHh: Parameter;
  biasIh: Parameter;
  biasHh: Parameter;
}

/**
 * Gated recurrent units (Cho et al., 2014, https://arxiv.org/abs/1406.1078), with PyTorch's parameters, formula and names:
 * `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, and the same with `_reverse`.
 */
export class GRU extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly bidirectional: boolean;
  readonly dropout: Dropout;
  readonly #layers: DirectionWeights[][];

  /** @throws ConfigurationError `ERR_GRU` for sizes that are no positive whole numbers */
  constructor(
    inputSize: number,
    hiddenSize: number,
    { numLayers = 1, batchFirst = false, dropout = 0, bidirectional = false }: GRUOptions = {},
  ) {
    super();
    for (const [name, size] of Object.entries({ inputSize, hiddenSize, numLayers })) {
      if (Number.isInteger(size) && size > 0) continue;
      throw new ConfigurationError("ERR_GRU", `GRU's ${name} is a positive whole number, not ${size}.`);
    }
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.batchFirst = batchFirst;
    this.bidirectional = bidirectional;
    this.dropout = new Dropout(dropout);
    const directions = bidirectional ? 2 : 1;
    const parameter = (...shape: number[]) => new Parameter(defaultUniform(shape, hiddenSize));
    this.#layers = Array.from({ length: numLayers }, (_, layer) =>
      Array.from({ length: directions }, () => ({
        weightIh: parameter(3 * hiddenSize, layer === 0 ? inputSize : directions * hiddenSize),
        weightHh: parameter(3 * hiddenSize, hiddenSize),
        biasIh: parameter(3 * hiddenSize),
        biasHh: parameter(3 * hiddenSize),
      })),
    );
  }

  /**
   * @param input [frames, batch, inputSize], or batch first
   * @returns the last layer's outputs, with `directions · hiddenSize` values a frame, laid out as the input
   * @throws ConfigurationError `ERR_SHAPE` for an input of other axes or width
   */
  forward(input: tf.Tensor, { lengths, h0 }: GRUState = {}): tf.Tensor {
    if (input.rank !== 3 || input.shape[2] !== this.inputSize) {
      const axes = this.batchFirst ? "batch, frames" : "frames, batch";
      throw new ConfigurationError(
        "ERR_SHAPE",
        `GRU takes an input of shape [${axes}, ${this.inputSize}], not ${formatShape(input.shape)}.`,
      );
    }
    let x = this.batchFirst ? tf.transpose(input, [1, 0, 2]) : input;
    const [frames, batch] = x.shape as [number, number, number];
    const ends = lengths ?? tf.fill([batch], frames, "int32");
    this.#layers.forEach((weights, layer) => {
      const outputs = weights.map((direction, i) => {
        const shape = [batch, this.hiddenSize];
        const place = [layer * weights.length + i, 0, 0];
        const start =
          h0 === undefined ? tf.zeros(shape) : tf.reshape(tf.slice(h0, place, [1, ...shape]), shape);
        return fusedGru({ x, ...direction, h0: start, lengths: ends }, i === 1);
      });
      x = outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2);
      if (layer < this.numLayers - 1) x = this.dropout.forward(x);
    });
    return this.batchFirst ? tf.transpose(x, [1, 0, 2]) : x;
  }

  protected override *parts(): Generator<[string, unknown]> {
    for (const [layer, directions] of this.#layers.entries()) {
      for (const [i, weights] of directions.entries()) {
        for (const [name, parameter] of Object.entries(weights)) {
          const snake = name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
          yield [`${snake}_l${layer}${i === 1 ? "_reverse" : ""}`, parameter];
        }
      }
    }
    yield ["dropout", this.dropout];
  }
}
