/** A frozen ONNX folder against ONNX Runtime's public API on the same pictures, and folders that cannot be used. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { loadOnnxFolder } from "../../src/backbones/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { describeShared } from "../support/shared.js";

describeShared("models/mobilenet_v2", (folder) => {
  it("gives the features of the model file", async () => {
    const backbone = loadOnnxFolder(folder);
    expect(backbone).toMatchObject({ numFeatures: 1280, input: { resize: { shortestEdge: 256 } } });
    const pixels = Uint8Array.from({ length: 2 * 224 * 224 * 3 }, (_, i) => (i * 31) % 256);
    const features = backbone.extract(new HostTensor(pixels, [2, 224, 224, 3]));

    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ] as const;
    const planes = new Float32Array(pixels.length);
    const plane = 224 * 224;
    pixels.forEach((byte, i) => {
      const [picture, position, channel] = [Math.floor(i / (plane * 3)), Math.floor(i / 3) % plane, i % 3];
      planes[(picture * 3 + channel) * plane + position] = (byte / 255 - mean[channel]!) / std[channel]!;
    });
    const session = await InferenceSession.create(join(folder, "onnx", "model.onnx"));
    const expected = await session.run({ pixel_values: new Tensor("float32", planes, [2, 3, 224, 224]) });
    const reference = expected.pooler_output!.data as Float32Array;
    expect(features.shape).toEqual([2, 1280]);
    reference.forEach((value, i) => expect(Math.abs(features.data[i]! - value)).toBeLessThan(1e-4));
  });
});

describe("a folder that cannot be used", () => {
  const code = (value: string) => expect.objectContaining({ code: value }) as Error;

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
    expect(() => loadOnnxFolder(folder)).toThrow(code("ERR_ENGINE_COMPILE"));
  });
});
