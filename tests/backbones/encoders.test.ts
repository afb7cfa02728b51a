/** The encoders of text and speech against PyTorch: names, outputs with and without padding, and every gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  Conformer,
  DistilBert,
  Wav2Vec2,
  Wav2Vec2Conformer,
  type SpeechOutput,
  type Wav2Vec2ConformerOptions,
  type Wav2Vec2Options,
} from "../../src/backbones/index.js";
import { spanMask } from "../../src/backbones/spec_augment.js";
import { maybeSkip } from "../../src/backbones/wav2vec2.js";
import { engine } from "../../src/engine/index.js";
import { computeGradients, type AnyModule, type Module } from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
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

describe("padding", () => {
  const features = uniformTensor([1, 22, 6], 4);
  const longer = tf.concat([features, uniformTensor([1, 10, 6], 5)], 1);
  const frameMask = tf.cast(tf.less(tf.range(0, 32), tf.tensor2d([22], [1, 1])), "float32");

  it.each(["relative", "rotary", "none"] as const)(
    "reaches no frame of a conformer, %s",
    (positionEmbeddingsType) => {
      const options = { numFeaturesIn: 6, hiddenSize: 8, numHiddenLayers: 2, numAttentionHeads: 2 };
      const module = new Conformer({ ...options, convDepthwiseKernelSize: 7, positionEmbeddingsType }).eval();
      const alone = module.forward({ features });
      const padded = module.forward({ features: longer, frameMask });
      expect(alone.lastHiddenState.shape).toEqual([1, 6, 8]);
      expect([...padded.frameMask!.dataSync()]).toEqual([1, 1, 1, 1, 1, 1, 0, 0]);
      const [first, rest] = tf.split(padded.lastHiddenState, [6, 2], 1);
      expect(largest(tf.sub(first!, alone.lastHiddenState))).toBeLessThan(2e-6);
      expect(largest(rest!)).toBe(0);
    },
  );

  it("reaches no frame of wav2vec 2.0 with norms of frames", () => {
    const module = new Wav2Vec2({
      ...speech,
      numConvPosEmbeddings: 4,
      numConvPosEmbeddingGroups: 2,
      featExtractNorm: "layer",
      doStableLayerNorm: true,
    }).eval();
    const samples = uniformTensor([1, 100], 4);
    const alone = module.forward({ inputValues: samples }).lastHiddenState;
    const inputValues = tf.concat([samples, uniformTensor([1, 60], 5)], 1);
    const attentionMask = tf.less(tf.range(0, 160), tf.tensor2d([100], [1, 1]));
    const padded = module.forward({ inputValues, attentionMask });
    const frames = alone.shape[1]!;
    expect(tf.sum(padded.frameMask!).arraySync()).toBe(frames);
    const valid = tf.slice(padded.lastHiddenState, [0, 0, 0], [-1, frames, -1]);
    expect(largest(tf.sub(valid, alone))).toBeLessThan(2e-6);
  });
});

const largest = (x: tf.Tensor): number => tf.max(tf.abs(x)).arraySync() as number;

describe("what training leaves out", () => {
  it("hides spans, as many as asked on average, and none beyond a sequence", () => {
    seedEverything(0);
    const lengths = tf.tensor2d([100, 40], [2, 1]);
    let [first, second] = [0, 0];
    const rounds = 60;
    for (let i = 0; i < rounds; i++) {
      const mask = spanMask([2, 100], { probability: 0.13, length: 10, lengths }).arraySync() as number[][];
      for (const row of mask) {
        const runs = row
          .join("")
          .split("0")
          .filter((run) => run !== "");
        for (const run of runs) expect(run.length).toBeGreaterThanOrEqual(10);
      }
      expect(mask[1]!.slice(40)).toEqual(new Array<number>(60).fill(0));
      first += sum(mask[0]!);
      second += sum(mask[1]!);
    }
    // 1.3 spans of 10 among 100 places, seldom overlapping; 0.52 among 40.
    expect(first / rounds).toBeGreaterThan(11);
    expect(first / rounds).toBeLessThan(13.5);
    expect(second / rounds).toBeGreaterThan(3.5);
    expect(second / rounds).toBeLessThan(7);
  });

  it("is another at every step of one graph", () => {
    seedEverything(0);
    const module = new Wav2Vec2({
      ...speech,
      numConvPosEmbeddings: 4,
      numConvPosEmbeddingGroups: 2,
      maskTimeProb: 0.3,
      maskTimeLength: 2,
      maskFeatureProb: 0.2,
      maskFeatureLength: 2,
      layerdrop: 0.5,
      hiddenDropout: 0.1,
    });
    const step = (): number => {
      const loss = computeGradients(() => {
        const { lastHiddenState } = module.forward({ inputValues: uniformTensor([2, 160], 2) });
        return tf.sum(tf.mul(lastHiddenState, uniformTensor([2, 9, 12], 3)));
      }, module.parameters());
      for (const parameter of module.parameters()) parameter.zeroGrad();
      return loss.arraySync();
    };
    step();
    step();
    engine.resetStats();
    const losses = Array.from({ length: 4 }, step);
    expect(new Set(losses.map((loss) => loss.toFixed(4))).size).toBe(4);
    const { compiles, fallbackKernels } = engine.stats();
    expect({ compiles, fallbackKernels }).toEqual({ compiles: 0, fallbackKernels: {} });
  });

  it("passes on the input of a layer that is left out", () => {
    seedEverything(1);
    const [input, output] = [tf.fill([1, 1, 2], 3), tf.fill([1, 1, 2], 5)];
    const values = Array.from({ length: 64 }, () => maybeSkip(input, output, 0.25).dataSync()[0]!);
    const kept = values.filter((value) => Math.abs(value - 5) < 1e-5);
    const skipped = values.filter((value) => value === 3);
    expect(kept.length + skipped.length).toBe(64);
    expect(kept.length).toBeGreaterThan(36);
    expect(skipped.length).toBeGreaterThan(5);
  });
});

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

it("the conformer of size S has its parameters", () => {
  const module = new Conformer();
  expect(sum(module.parameters().map(({ size }) => size)) / 1e6).toBeCloseTo(8.7, 1);
  module.dispose();
});

describe("errors", () => {
  it.each<[string, () => unknown, string]>([
    ["heads of DistilBert", () => new DistilBert({ dim: 10, nHeads: 3 }), "ERR_HEADS"],
    ["heads of Wav2Vec2", () => new Wav2Vec2({ ...speech, numAttentionHeads: 5 }), "ERR_HEADS"],
    ["groups of positions", () => new Wav2Vec2({ ...speech, numConvPosEmbeddingGroups: 5 }), "ERR_GROUPS"],
    ["lists of convolutions", () => new Wav2Vec2({ ...speech, convStride: [5] }), "ERR_CONV_LAYERS"],
    ["an even kernel", () => new Conformer({ convDepthwiseKernelSize: 30 }), "ERR_CONFORMER_OPTION"],
    [
      "positions that there are not",
      () => new Conformer({ positionEmbeddingsType: "absolute" as "none" }),
      "ERR_CONFORMER_OPTION",
    ],
    [
      "an activation that there is not",
      () => new Conformer({ hiddenAct: "relu" as "gelu" }),
      "ERR_CONFORMER_OPTION",
    ],
    [
      "heads that cannot be turned",
      () => new Conformer({ hiddenSize: 6, numAttentionHeads: 2, positionEmbeddingsType: "rotary" }),
      "ERR_CONFORMER_OPTION",
    ],
    [
      "too short a sound",
      () =>
        new Wav2Vec2({ ...speech, numConvPosEmbeddings: 4, numConvPosEmbeddingGroups: 2 }).forward({
          inputValues: tf.zeros([1, 9]),
        }),
      "ERR_AUDIO_TOO_SHORT",
    ],
    [
      "other bands",
      () =>
        new Conformer({ hiddenSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 }).forward({
          features: tf.zeros([1, 9, 40]),
        }),
      "ERR_SHAPE",
    ],
    [
      "a long text",
      () =>
        new DistilBert({ vocabSize: 4, dim: 4, nHeads: 2, nLayers: 1, maxPositionEmbeddings: 3 }).forward({
          inputIds: tf.zeros([1, 4], "int32"),
        }),
      "ERR_SEQUENCE_LENGTH",
    ],
  ])("%s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});
