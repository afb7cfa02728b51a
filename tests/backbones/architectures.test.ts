/** The architectures against torchvision: names, shapes, features, running statistics, and the gradient of every parameter. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  createImageBackbone,
  ConvNeXt,
  EfficientNetB0,
  type ImageEncoder,
  loadWeights,
  MobileNetV2,
  MobileNetV3,
  ResNet,
  resnet18,
  resnet34,
  resnet50,
} from "../../src/backbones/index.js";
import { StochasticDepth, type AnyModule } from "../../src/nn/index.js";
import { encodeSafetensors, type SafetensorsTensor } from "../../src/safetensors.js";
import { expectAsGolden, readGoldens, uniformTensor, type Golden } from "./golden.js";

interface Goldens {
  networks: Record<string, Golden>;
  shapes: Record<string, Golden["shapes"]>;
}
const { networks, shapes } = readGoldens<Goldens>("backbones.json");

const makers: Record<string, () => ImageEncoder> = {
  resnet18,
  "small resnet of bottlenecks": () => new ResNet({ block: "bottleneck", layers: [1, 1, 1, 1] }),
  mobilenet_v2: () => new MobileNetV2(),
  mobilenet_v3_small: () => new MobileNetV3("small"),
  mobilenet_v3_large: () => new MobileNetV3("large"),
  efficientnet_b0: () => new EfficientNetB0({ stochasticDepthProb: 0 }),
  "small convnext": () =>
    new ConvNeXt({ channels: [16, 32, 48, 64], layers: [1, 2, 1, 1], stochasticDepthProb: 0 }),
};

const larger: Record<string, () => ImageEncoder> = {
  resnet34,
  resnet50,
  convnext_tiny: () => new ConvNeXt(),
};

function shapesOf(module: AnyModule): Record<string, number[]> {
  const entries = Object.entries(module.stateDict()).map(([key, tensor]) => [key, tensor.shape]);
  return Object.fromEntries(entries) as Record<string, number[]>;
}

describe("as in torchvision", () => {
  it("rounds sizes of maps up", () => {
    const maps = new MobileNetV3("small").eval().featureMaps(uniformTensor([1, 50, 70, 3], 2));
    expect(maps.map(({ shape }) => shape.slice(1, 3))).toEqual([
      [13, 18],
      [7, 9],
      [4, 5],
      [2, 3],
    ]);
  });

  it("covers every golden network", () => {
    expect(Object.keys(makers)).toEqual(Object.keys(networks));
    expect(Object.keys(larger)).toEqual(Object.keys(shapes));
  });

  it.each(Object.entries(makers))("%s", (name, make) => {
    const [module, golden] = [make(), networks[name]!];
    expect(shapesOf(module)).toEqual(golden.shapes);
    expectAsGolden(golden, module, () => module.forward(uniformTensor([2, 64, 64, 3], 2)));
  });

  it.each(Object.entries(larger))("%s has its names and shapes", (name, make) => {
    expect(shapesOf(make())).toEqual(shapes[name]);
  });
});

describe("maps of features", () => {
  it.each(Object.entries(makers))("%s", (_name, make) => {
    const module = make().eval();
    const pixels = uniformTensor([1, 96, 64, 3], 2);
    const maps = module.featureMaps(pixels);
    expect(module.featureInfo.map(({ stride }) => stride)).toEqual([4, 8, 16, 32]);
    expect(maps.map(({ shape }) => shape)).toEqual(
      module.featureInfo.map(({ stride, channels }) => [1, 96 / stride, 64 / stride, channels]),
    );
    const pooled = module.forward(pixels);
    expect(pooled.shape).toEqual([1, module.numFeatures]);
    expect(module.forwardFeatures(pixels).shape.slice(0, 3)).toEqual([1, 3, 2]);
  });
});

describe("weights as publishers write them", () => {
  const convnext = (): ConvNeXt => new ConvNeXt({ channels: [4, 4, 4, 4], layers: [1, 1, 1, 1] });
  const state = (module: AnyModule): Record<string, SafetensorsTensor> =>
    Object.fromEntries(
      Object.entries(module.stateDict()).map(([name, tensor]) => [
        name,
        { dtype: "F32", shape: tensor.shape, data: tensor.dataSync() as Float32Array },
      ]),
    );
  async function file(tensors: Record<string, SafetensorsTensor>): Promise<string> {
    const path = join(await mkdtemp(join(tmpdir(), "kindling-")), "weights.safetensors");
    await writeFile(path, encodeSafetensors(tensors));
    return path;
  }
  const head: SafetensorsTensor = { dtype: "F32", shape: [2], data: new Float32Array(2) };

  it("leaves a classifier aside", async () => {
    const source = convnext();
    const path = await file({ ...state(source), "classifier.2.bias": head });
    const target = convnext();
    loadWeights(target, path);
    expect(state(target)).toEqual(state(source));
  });

  it.each([
    ["F16", Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00), [1, -2, 2 ** -24, Infinity]],
    ["BF16", Uint16Array.of(0x3f80, 0xc000, 0x0080, 0x7f80), [1, -2, 2 ** -126, Infinity]],
    ["F64", Float64Array.of(1, -2, 0.5, Infinity), [1, -2, 0.5, Infinity]],
  ] as const)("reads %s", async (dtype, data, expected) => {
    const tensors = { ...state(convnext()), "features.0.0.bias": { dtype, shape: [4], data } };
    const target = convnext();
    loadWeights(target, await file(tensors));
    expect([...target.stateDict()["features.0.0.bias"]!.dataSync()]).toEqual(expected);
  });

  it.each<[string, (tensors: Record<string, SafetensorsTensor>) => void, string, RegExp]>([
    [
      "lacks a tensor",
      (t) => delete t["features.0.0.bias"],
      "ERR_WEIGHTS_MISMATCH",
      /lacks features\.0\.0\.bias/,
    ],
    ["has one more", (t) => (t["layer9.bias"] = head), "ERR_WEIGHTS_MISMATCH", /has not, layer9\.bias/],
    ["has another shape", (t) => (t["features.0.0.bias"] = head), "ERR_WEIGHTS_MISMATCH", /\[4\], not \[2\]/],
    [
      "is quantised",
      (t) => (t["features.0.0.bias"] = { dtype: "I8", shape: [4], data: new Int8Array(4) }),
      "ERR_WEIGHTS_TYPE",
      /features\.0\.0\.bias as I8/,
    ],
  ])("refuses a file that %s, and keeps what it has", async (_name, damage, code, message) => {
    const tensors = state(convnext());
    damage(tensors);
    const path = await file(tensors);
    const target = convnext();
    const before = state(target);
    expect(() => loadWeights(target, path)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error,
    );
    expect(state(target)).toEqual(before);
  });
});

describe("first weights", () => {
  it("are torchvision's", () => {
    const mobilenet = new MobileNetV3("small").stateDict();
    const { mean, std } = momentsOf(mobilenet["features.12.0.weight"]!);
    expect(mean).toBeCloseTo(0, 3);
    expect(std).toBeCloseTo(Math.sqrt(2 / 576), 3);
    expect(momentsOf(mobilenet["features.4.block.2.fc1.bias"]!)).toEqual({ mean: 0, std: 0 });
    const convnext = new ConvNeXt({ channels: [32, 64, 8, 8], layers: [1, 1, 1, 1] });
    const block = convnext.stateDict();
    expect(momentsOf(block["features.3.0.block.3.weight"]!).std).toBeCloseTo(0.02, 3);
    expect(momentsOf(block["features.3.0.block.3.bias"]!)).toEqual({ mean: 0, std: 0 });
    expect(momentsOf(block["features.3.0.layer_scale"]!).mean).toBeCloseTo(1e-6, 9);
  });
});

describe("stochastic depth", () => {
  it("rises from block to block, and leaves branches out for whole pictures", () => {
    const depths = [...new EfficientNetB0().namedModules()]
      .map(([, module]) => module)
      .filter((module) => module instanceof StochasticDepth);
    expect(depths.map(({ p }) => p)).toEqual(
      depths.map((_, i) => expect.closeTo((0.2 * i) / 16, 9) as number),
    );
    const ones = tf.ones([64, 2, 3, 4]);
    const sums = tf.sum(new StochasticDepth(0.25).forward(ones), [1, 2, 3]).arraySync() as number[];
    expect(new Set(sums)).toEqual(new Set([0, 32]));
    expect(new StochasticDepth(0.25).eval().forward(ones)).toBe(ones);
    expect(() => new StochasticDepth(1.5)).toThrow(expect.objectContaining({ code: "ERR_DROPOUT" }) as Error);
  });
});

function momentsOf(tensor: tf.Tensor): { mean: number; std: number } {
  const { mean, variance } = tf.moments(tensor);
  return { mean: mean.arraySync() as number, std: Math.sqrt(variance.arraySync() as number) };
}

describe("asking for a backbone", () => {
  it("names the choices where the name is unknown", () => {
    expect(() => createImageBackbone("mobilenet_v3")).toThrow(
      expect.objectContaining({
        code: "ERR_UNKNOWN_BACKBONE",
        message: expect.stringContaining("Did you mean") as string,
      }) as Error,
    );
  });

  it("never starts from random weights unasked", () => {
    expect(() => createImageBackbone("mobilenet_v2")).toThrow(
      expect.objectContaining({ code: "ERR_BACKBONE_NOT_DOWNLOADED" }) as Error,
    );
    expect(createImageBackbone("mobilenet_v2", false)).toMatchObject({
      pretrained: false,
      numFeatures: 1280,
    });
  });

  it("refuses a weight file that is not there", () => {
    expect(() => createImageBackbone("mobilenet_v2", "missing.safetensors")).toThrow(
      expect.objectContaining({ code: "ERR_WEIGHTS_READ" }) as Error,
    );
  });
});
