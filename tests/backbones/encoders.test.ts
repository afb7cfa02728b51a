/** The encoders of text and speech against PyTorch: names, outputs with and without padding, and every gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  DistilBert,
  Wav2Vec2,
  Wav2Vec2Conformer,
  type SpeechOutput,
  type Wav2Vec2ConformerOptions,
  type Wav2Vec2Options,
} from "../../src/backbones/index.js";
import type { AnyModule, Module } from "../../src/nn/index.js";
import { expectAsGolden, readGoldens, uniformTensor, type Golden } from "./golden.js";

const goldens = readGoldens<Record<string, Golden>>("encoders.json");

interface Case {
  module: AnyModule;
  call: () => tf.Tensor;
}

const convolutions = { convDim: [6, 7, 8], convKernel: [5, 3, 2], convStride: [4, 2, 2] };
const speech = {
  ...convolutions,
  hiddenSize: 12,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 20,
  hiddenDropout: 0,
  activationDropout: 0,
  attentionDropout: 0,
  layerdrop: 0,
  maskTimeProb: 0,
} as const satisfies Wav2Vec2Options;

/** 160 samples, of which the second sound has 100. */
const sampleMask = (): tf.Tensor => tf.less(tf.range(0, 160), tf.tensor2d([160, 100], [2, 1]));

function speechCase(
  module: Module<{ inputValues: tf.Tensor; attentionMask?: tf.Tensor }, SpeechOutput>,
  padded: boolean,
): Case {
  const call = (): tf.Tensor => {
    const inputValues = uniformTensor([2, 160], 2);
    return module.forward(padded ? { inputValues, attentionMask: sampleMask() } : { inputValues })
      .lastHiddenState;
  };
  return { module, call };
}

const wav2vec2 = (options: Wav2Vec2Options, padded: boolean): Case =>
  speechCase(new Wav2Vec2({ ...speech, numConvPosEmbeddingGroups: 3, ...options }), padded);

const conformer = (options: Wav2Vec2ConformerOptions, padded: boolean): Case =>
  speechCase(
    new Wav2Vec2Conformer({ ...speech, convDepthwiseKernelSize: 5, conformerConvDropout: 0, ...options }),
    padded,
  );

const makers: Record<string, () => Case> = {
  distilbert: () => {
    const sizes = { vocabSize: 11, dim: 8, nLayers: 2, nHeads: 2, hiddenDim: 12, maxPositionEmbeddings: 7 };
    const module = new DistilBert({ ...sizes, dropout: 0, attentionDropout: 0 });
    const call = (): tf.Tensor => {
      const ids = tf.tensor2d([2, 5, 9, 3, 0, 2, 7, 7, 10, 3], [2, 5], "int32");
      return module.forward({ inputIds: ids, attentionMask: tf.greater(ids, 0) }).lastHiddenState;
    };
    return { module, call };
  },
  wav2vec2: () => wav2vec2({ numConvPosEmbeddings: 6 }, false),
  "wav2vec2, stable, padded": () =>
    wav2vec2(
      { numConvPosEmbeddings: 5, doStableLayerNorm: true, featExtractNorm: "layer", convBias: true },
      true,
    ),
  "conformer, relative, padded": () =>
    conformer({ positionEmbeddingsType: "relative", hiddenAct: "swish" }, true),
  "conformer, rotary": () => conformer({ positionEmbeddingsType: "rotary" }, false),
  "conformer, no positions": () => conformer({ positionEmbeddingsType: "none" }, false),
};

describe("as in PyTorch", () => {
  it("covers every golden encoder", () => {
    expect(Object.keys(makers)).toEqual(Object.keys(goldens));
  });

  it.each(Object.entries(makers))("%s", (name, make) => {
    const { module, call } = make();
    expectAsGolden(goldens[name]!, module, call);
  });
});
