/** ONNX models as backbones, beside ONNX Runtime's public API on the same pictures, and folders that cannot be used. */
import "../support/backend.js";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs-core";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { relativeError } from "../../bench/onnx_reference.js";
import {
  loadOnnxFolder,
  onnxBackbone,
  type FrozenBackbone,
  type ImageBackbone,
  type ImageInput,
  type OnnxFace,
  type TrainableBackbone,
} from "../../src/backbones/index.js";
import { layersOf } from "../../src/core/finetuning/layers.js";
import { Trainer } from "../../src/core/index.js";
import type { PixelData } from "../../src/data/index.js";
import { fromHost } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { decodeOnnx, encodeOnnx } from "../../src/onnx/index.js";
import { Generator } from "../../src/random.js";
import { ImageClassificationData } from "../../src/tasks/image/image_classification_data.js";
import { ImageClassifier } from "../../src/tasks/image/image_classifier.js";
import { describeShared } from "../support/shared.js";

const MEAN = [0.485, 0.456, 0.406] as const;
const STD = [0.229, 0.224, 0.225] as const;

function pictures(batch: number, height: number, width: number): HostTensor {
  const random = new Generator(5);
  const data = Uint8Array.from({ length: batch * height * width * 3 }, () => random.integer(256));
  return new HostTensor(data, [batch, height, width, 3]);
}

/** As float32 [batch, height, width, 3], normalised. */
function normalized({ data, shape }: HostTensor): HostTensor {
  const values = Float32Array.from(data, (byte, i) => (byte / 255 - MEAN[i % 3]!) / STD[i % 3]!);
  return new HostTensor(values, shape);
}

/** What plain ONNX Runtime makes of normalised pictures. */
async function plainRun(
  model: string | Uint8Array,
  pixels: HostTensor,
  output: string,
): Promise<Float32Array> {
  const { data, shape } = normalized(pixels);
  const [batch, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const planes = new Float32Array(data.length);
  data.forEach((value, i) => {
    const [picture, position, channel] = [Math.floor(i / (plane * 3)), Math.floor(i / 3) % plane, i % 3];
    planes[(picture * 3 + channel) * plane + position] = value;
  });
  const session = await (typeof model === "string"
    ? InferenceSession.create(model)
    : InferenceSession.create(model));
  const feeds = { pixel_values: new Tensor("float32", planes, [batch, 3, height, width]) };
  return (await session.run(feeds))[output]!.data as Float32Array;
}

function trainable(backbone: ImageBackbone): TrainableBackbone & { onnx: OnnxFace } {
  if (backbone.kind === "module" && backbone.onnx !== undefined) return { ...backbone, onnx: backbone.onnx };
  throw new Error(`${backbone.name} is no ONNX model that trains`);
}

const featuresOf = ({ module }: TrainableBackbone, pixels: HostTensor) =>
  tf.tidy(() =>
    module
      .eval()
      .forward(fromHost(normalized(pixels)))
      .dataSync<"float32">(),
  );

describeShared("models/mobilenet_v2", (folder) => {
  it("gives the features of the model file, as a session and as a module", async () => {
    const backbone = trainable(loadOnnxFolder(folder));
    expect(backbone).toMatchObject({ numFeatures: 1280, input: { resize: { shortestEdge: 256 } } });
    const pixels = pictures(2, 224, 224);
    const expected = await plainRun(join(folder, "onnx", "model.onnx"), pixels, "pooler_output");
    const session = backbone.onnx.freeze()!;
    const features = session.extract(pixels);
    expect(features.shape).toEqual([2, 1280]);
    expect(relativeError(features.data, expected)).toBeLessThan(1e-5);
    expect(relativeError(featuresOf(backbone, pixels), expected)).toBeLessThan(1e-5);
    session.dispose();
  });
});

describeShared("models/squeezenet_1.1", (folder) => {
  it("leaves the last layer of a classifier out", async () => {
    const backbone = trainable(loadOnnxFolder(folder));
    expect(backbone.numFeatures).toBe(512);
    const pixels = pictures(1, 224, 224);
    const features = featuresOf(backbone, pixels);
    // The means of what the last convolution takes in: its kernels are 1 x 1, but a ReLU stands before the mean of classes.
    const maps = await plainRun(backbone.onnx.model, pixels, backbone.onnx.output);
    const positions = maps.length / 512;
    const means = Float32Array.from({ length: 512 }, (_, channel) => {
      const map = maps.subarray(channel * positions, (channel + 1) * positions);
      return map.reduce((sum, value) => sum + value, 0) / positions;
    });
    expect(relativeError(features, means)).toBeLessThan(1e-5);
  });
});

describe("a small ONNX model", () => {
  const INPUT: ImageInput = {
    resize: { height: 14, width: 18 },
    interpolation: "bilinear",
    rescaleFactor: 1 / 255,
    mean: MEAN,
    std: STD,
  };
  const file = (name: string) =>
    gunzipSync(readFileSync(resolve(import.meta.dirname, `../golden/onnx_parity/${name}.onnx.gz`)));

  it("has the same weights in its module and in each new session", () => {
    const backbone = trainable(onnxBackbone("tiny", file("resnet18"), INPUT));
    expect(backbone.numFeatures).toBe(6);
    const pixels = pictures(3, 14, 18);
    const before = backbone.onnx.freeze()!.extract(pixels);
    expect(relativeError(featuresOf(backbone, pixels), before.data)).toBeLessThan(1e-5);
    tf.tidy(() => {
      for (const parameter of backbone.module.parameters()) parameter.assign(tf.mul(parameter, 1.1));
      for (const [, buffer] of backbone.module.namedBuffers()) buffer.assign(tf.add(buffer, 0.1));
    });
    const after = backbone.onnx.freeze()!.extract(pixels);
    expect(relativeError(after.data, before.data)).toBeGreaterThan(0.01);
    expect(relativeError(featuresOf(backbone, pixels), after.data)).toBeLessThan(1e-5);
    const again = trainable(onnxBackbone("again", backbone.onnx.currentModel()!, INPUT));
    expect(featuresOf(again, pixels)).toEqual(featuresOf(backbone, pixels));
  });

  it("has layers that can be unfrozen from its end", () => {
    const { module } = trainable(onnxBackbone("tiny", file("resnet18"), INPUT));
    const names = layersOf(module).map(({ parameters }) => parameters.length);
    expect(names).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
  });

  it("takes the class token of a vision transformer for its features", async () => {
    const input = { ...INPUT, resize: { height: 16, width: 16 } };
    const backbone = trainable(onnxBackbone("vit", file("vit"), input));
    const pixels = pictures(2, 16, 16);
    const logits = await plainRun(file("vit"), pixels, "logits");
    const { tensors } = { tensors: new Map(decodeOnnx(file("vit")).graph.initializers) };
    const [weight, bias] = ["heads.head.weight", "heads.head.bias"].map(
      (name) => tensors.get(name)!.data as Float32Array,
    );
    const features = featuresOf(backbone, pixels);
    expect(features.length).toBe(2 * 8);
    const recomputed = Float32Array.from(
      { length: 6 },
      (_, i) =>
        bias![i % 3]! +
        Array.from(
          { length: 8 },
          (_, j) => features[Math.floor(i / 3) * 8 + j]! * weight![(i % 3) * 8 + j]!,
        ).reduce((a, b) => a + b),
    );
    expect(relativeError(recomputed, logits)).toBeLessThan(1e-5);
  });

  it("runs frozen where an operator cannot be imported, and says which", async () => {
    const backbone = onnxBackbone("distances", distancesModel(), INPUT);
    expect(backbone).toMatchObject({ kind: "frozen", numFeatures: 2 });
    const frozen = backbone as FrozenBackbone;
    expect(frozen.untrainable).toMatchObject({ code: "ERR_ONNX_OPERATOR" });
    expect(frozen.extract(pictures(2, 14, 18)).shape).toEqual([2, 2]);
    const task = new ImageClassifier({ labels: ["a", "b"], backbone });
    const images = [0, 1, 2, 3].map((seed) => ({ ...pixelData(seed) }));
    const data = await ImageClassificationData.fromArrays({
      train: { images, targets: ["a", "b", "a", "b"] },
      batchSize: 2,
    });
    const trainer = new Trainer({
      maxEpochs: 1,
      logger: false,
      enableProgressBar: false,
      enableCheckpointing: false,
    });
    await expect(trainer.finetune(task, data, { strategy: "no_freeze" })).rejects.toThrow(/CDist/);
    await trainer.finetune(task, data, { strategy: "freeze" });
  });

  it("refuses a model of another form", () => {
    for (const name of ["bert", "audio"]) {
      expect(() => onnxBackbone(name, file(name), INPUT)).toThrow(code("ERR_BACKBONE_FOLDER"));
    }
  });
});

function pixelData(seed: number): PixelData {
  const random = new Generator(seed);
  const data = Uint8Array.from({ length: 14 * 18 * 3 }, () => random.integer(256));
  return { data, width: 18, height: 14, channels: 3 };
}

/** Means of the channels, and how far they are from two points: an operator that ONNX Runtime has and the standard has not. */
function distancesModel(): Uint8Array {
  const model = decodeOnnx(
    gunzipSync(readFileSync(resolve(import.meta.dirname, "../golden/onnx_parity/resnet18.onnx.gz"))),
  );
  const [template] = model.graph.nodes;
  const node = (operator: string, domain: string, inputs: string[], output: string) => ({
    ...template!,
    name: operator,
    operator,
    domain,
    inputs,
    outputs: [output],
    attributes: new Map(),
  });
  const points = { type: "float32", shape: [2, 3], data: new Float32Array(6), docString: "" } as const;
  const type = { kind: "tensor", type: "float32", shape: undefined } as const;
  return encodeOnnx({
    ...model,
    opsetImports: new Map([...model.opsetImports, ["com.microsoft", 1]]),
    graph: {
      ...model.graph,
      nodes: [
        node("GlobalAveragePool", "", ["pixel_values"], "means"),
        node("Flatten", "", ["means"], "flat"),
        node("CDist", "com.microsoft", ["flat", "points"], "pooler_output"),
      ],
      initializers: new Map([["points", { ...points, name: "points", shape: [2, 3] }]]),
      outputs: [{ name: "pooler_output", type, docString: "" }],
    },
  });
}

const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe("a folder that cannot be used", () => {
  it("says which file is missing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-"));
    expect(() => loadOnnxFolder(folder)).toThrow(/expected onnx\/model\.onnx, and it has no files/);
    await mkdir(join(folder, "onnx"));
    await writeFile(join(folder, "onnx", "model.onnx"), "not a model");
    expect(() => loadOnnxFolder(folder)).toThrow(/has no preprocessor_config\.json/);
  });

  it("names damaged JSON and damaged models", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-"));
    await mkdir(join(folder, "onnx"));
    await writeFile(join(folder, "onnx", "model.onnx"), "not a model");
    await writeFile(join(folder, "preprocessor_config.json"), "{");
    expect(() => loadOnnxFolder(folder)).toThrow(code("ERR_BACKBONE_FOLDER"));
    await writeFile(
      join(folder, "preprocessor_config.json"),
      JSON.stringify({ size: { height: 8, width: 8 } }),
    );
    expect(() => loadOnnxFolder(folder)).toThrow(code("ERR_ONNX_DAMAGED"));
  });
});
