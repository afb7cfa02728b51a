/** Which layers of a backbone are early ones, against what torchvision freezes and against the sizes in an ONNX file. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MobileNetV2, resnet18, VisionTransformer } from "../../src/backbones/index.js";
import { OnnxMapEncoder } from "../../src/backbones/onnx_map_encoder.js";
import { readOnnx } from "../../src/onnx/index.js";
import type { AnyModule } from "../../src/nn/index.js";
import { describeShared } from "../support/shared.js";

/** The names of the parameters that belong to these layers. */
function namesIn(backbone: AnyModule, layers: readonly AnyModule[]): string[] {
  const parameters = new Set(layers.flatMap((layer) => layer.parameters()));
  return Array.from(backbone.namedParameters())
    .filter(([, parameter]) => parameters.has(parameter))
    .map(([name]) => name);
}

describe("early layers", () => {
  it("of a ResNet are those that torchvision's detectors freeze with three trainable layers", () => {
    const backbone = resnet18();
    const expected = Array.from(backbone.namedParameters(), ([name]) => name).filter((name) =>
      /^(conv1|bn1|layer1)\./.test(name),
    );
    expect(namesIn(backbone, backbone.earlyLayers(4))).toEqual(expected);
  });

  it("of a MobileNetV2 reach to the expansion before the step to stride 8", () => {
    const backbone = new MobileNetV2();
    const names = namesIn(backbone, backbone.earlyLayers(4));
    expect(names.at(-1)).toBe("features.4.conv.0.1.bias");
    expect(names.filter((name) => !/^features\.[0-4]\./.test(name))).toEqual([]);
    expect(backbone.training).toBe(true);
  });

  it("of a vision transformer are none: its patches are coarser", () => {
    expect(
      new VisionTransformer({ numLayers: 1, numHeads: 1, hiddenDim: 8, mlpDim: 8 }).earlyLayers(4),
    ).toEqual([]);
  });
});

describeShared("models/mobilenet_v2", (folder) => {
  it("are found by sizes in a file: nine convolutions, and the one that widens the map of stride 4 once more", async () => {
    const backbone = new OnnxMapEncoder(await readOnnx(join(folder, "onnx", "model.onnx")));
    const numbers = [0, 2, 4, 5, 7, 9, 10, 12, 14, 16];
    expect(namesIn(backbone.model, backbone.earlyLayers(4))).toEqual(
      numbers.flatMap((i) => [`conv_${i}.weight`, `conv_${i}.bias`]),
    );
    expect(backbone.earlyLayers(2).length).toBeLessThan(backbone.earlyLayers(4).length);
  });
});
