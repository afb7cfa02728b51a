/** Each family of architectures as a file, small: what plain ONNX Runtime computes at batches and lengths of its own. */
import type * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import {
  ConformerEncoder,
  ConvNeXt,
  DistilBert,
  EfficientNetB0,
  MobileNetV3,
  ResNet,
  VisionTransformer,
  Wav2Vec2,
} from "../../../src/backbones/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import type { AnyModule, Module } from "../../../src/nn/index.js";
import { isTensor } from "../../../src/nested.js";
import { exportOnnx } from "../../../src/onnx/index.js";
import { seedEverything } from "../../../src/random.js";
import type { PlainInput } from "../../support/plain_onnx_runtime.js";
import { expectSameResults, integers, normals, useFolder } from "./support.js";

const folder = useFolder();

describe("of pictures", () => {
  const makers: [string, () => Module<tf.Tensor, tf.Tensor>][] = [
    ["ResNet", () => new ResNet({ block: "bottleneck", layers: [1, 1, 1, 1] })],
    ["MobileNetV3", () => new MobileNetV3("small")],
    ["EfficientNet", () => new EfficientNetB0()],
    ["ConvNeXt", () => new ConvNeXt({ channels: [16, 32, 48, 64], layers: [1, 1, 1, 1] })],
    [
      "VisionTransformer",
      () => new VisionTransformer({ imageSize: 32, numLayers: 2, numHeads: 2, hiddenDim: 32, mlpDim: 48 }),
    ],
  ];

  it.each(makers)("%s", async (_, create) => {
    seedEverything(1);
    const module = create();
    const { opset } = await exportOnnx(module, folder.file, { inputs: normals(2, 32, 32, 3) });
    expect(opset).toBe(17);
    module.eval();
    const runs = [{ input: normals(3, 32, 32, 3) }];
    expectSameResults(folder.file, runs, ({ input }) => ({ output: module.forward(input!) }), 1e-4);
  });
});

const mask = (batch: number, length: number, seen: number) =>
  new HostTensor(
    Int32Array.from({ length: batch * length }, (_, i) => (i % length < seen ? 1 : 0)),
    [batch, length],
  );

describe("of sequences", () => {
  const speech = {
    hiddenSize: 32,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    intermediateSize: 48,
    numConvPosEmbeddings: 16,
    numConvPosEmbeddingGroups: 4,
    convDim: [16, 16, 16, 16, 16, 16, 16],
  };
  const conformer = (positionEmbeddingsType: "relative" | "rotary") =>
    new ConformerEncoder({
      hiddenSize: 32,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      convDepthwiseKernelSize: 7,
      positionEmbeddingsType,
    });
  type Inputs = (batch: number, length: number) => Record<string, HostTensor>;
  const sounds: Inputs = (batch, length) => ({
    inputValues: normals(batch, length),
    attentionMask: mask(batch, length, 900),
  });
  const frames: Inputs = (batch, length) => ({ hidden: normals(batch, length, 32) });
  const texts: Inputs = (batch, length) => ({
    inputIds: integers(50, batch, length),
    attentionMask: mask(batch, length, 5),
  });
  const makers: [string, () => AnyModule, Inputs, number, number[]][] = [
    ["wav2vec 2.0", () => new Wav2Vec2(speech) as AnyModule, sounds, 2000, [1500, 2600]],
    ["a conformer of distances", () => conformer("relative") as AnyModule, frames, 24, [9, 24]],
    ["a conformer that rotates", () => conformer("rotary") as AnyModule, frames, 24, [9, 24]],
    [
      "DistilBERT",
      () => new DistilBert({ vocabSize: 50, dim: 32, nLayers: 2, nHeads: 2, hiddenDim: 48, maxPositionEmbeddings: 20 }) as AnyModule,
      texts,
      20,
      [7, 20],
    ],
  ]; // prettier-ignore

  it.each(makers)("%s", async (_, create, inputs, given, lengths) => {
    seedEverything(1);
    const module = create();
    const named = inputs(2, given);
    const axes = { 0: "batch", 1: "length" };
    await exportOnnx(module, folder.file, {
      inputs: named,
      dynamicAxes: Object.fromEntries(Object.keys(named).map((name) => [name, axes])),
    });
    module.eval();
    const runs = lengths.map((length): Record<string, PlainInput> => inputs(3, length));
    expectSameResults(
      folder.file,
      runs,
      (tensors) => {
        const result = module.forward(tensors as never);
        if (isTensor(result)) return { output: result };
        const outputs = Object.entries(result as Record<string, tf.Tensor | undefined>);
        return Object.fromEntries(
          outputs.filter((entry): entry is [string, tf.Tensor] => entry[1] !== undefined),
        );
      },
      1e-4,
    );
  });
});
