/** The architectures against torchvision: the same parameter names and shapes, and the same features. */
import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createArchitecture, createImageBackbone } from "../../src/backbones/index.js";
import { encodeSafetensors, type SafetensorsTensor } from "../../src/safetensors.js";
import "../../src/engine/index.js";

interface Golden {
  shapes: Record<string, number[]>;
  features: number[][];
  sums: number[];
}

const goldens = JSON.parse(
  readFileSync(new URL("../golden/backbones.json", import.meta.url), "utf8"),
) as Record<string, Golden>;

/** The formula of make_backbones.py. */
function formulaWeights(shapes: Record<string, number[]>): Record<string, SafetensorsTensor> {
  const state: Record<string, SafetensorsTensor> = {};
  Object.entries(shapes).forEach(([name, shape], index) => {
    const size = shape.reduce((product, length) => product * length, 1);
    if (name.endsWith("num_batches_tracked")) {
      state[name] = { dtype: "I64", shape, data: new BigInt64Array(1) };
      return;
    }
    const fanIn = size / (shape[0] ?? 1);
    const data = Float32Array.from({ length: size }, (_, i) => {
      const wave = Math.sin(i * 0.7 + index);
      if (name.endsWith("running_var")) return 1 + 0.5 * wave;
      if (shape.length === 1) return (name.endsWith("weight") ? 1 : 0) + 0.1 * wave;
      return wave * Math.sqrt(3 / fanIn);
    });
    state[name] = { dtype: "F32", shape, data };
  });
  return state;
}

async function weightFile(shapes: Record<string, number[]>): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), "kindling-")), "weights.safetensors");
  await writeFile(path, encodeSafetensors(formulaWeights(shapes)));
  return path;
}

describe.each(["mobilenet_v2", "resnet18"])("%s", (name) => {
  const golden = goldens[name]!;

  it("has torchvision's parameters and buffers", () => {
    const { module } = createArchitecture(name);
    const shapes = Object.fromEntries(
      Object.entries(module.stateDict()).map(([key, tensor]) => [key, tensor.shape]),
    );
    expect(shapes).toEqual(golden.shapes);
  });

  it("computes torchvision's features from a torchvision weight file", async () => {
    const backbone = createImageBackbone(name, await weightFile(golden.shapes));
    if (backbone.kind !== "module") throw new Error("expected a trainable backbone");
    expect(backbone.pretrained).toBe(true);
    const pixels = tf.tensor4d(
      Float32Array.from({ length: 2 * 64 * 64 * 3 }, (_, i) => Math.sin(i * 0.05)),
      [2, 64, 64, 3],
    );
    const features = backbone.module.eval().forward(pixels).arraySync() as number[][];
    const scale = Math.max(...golden.features.flat().map(Math.abs));
    features.forEach((row, i) => {
      expect(row).toHaveLength(backbone.numFeatures);
      golden.features[i]!.forEach((value, j) => expect(Math.abs(row[j]! - value)).toBeLessThan(1e-4 * scale));
      const sum = row.reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - golden.sums[i]!)).toBeLessThan(1e-4 * Math.abs(golden.sums[i]!) + 1e-4 * scale);
    });
  });
});

describe("asking for a backbone", () => {
  it("names the choices where the name is unknown", () => {
    expect(() => createImageBackbone("mobilenet_v3")).toThrow(
      expect.objectContaining({
        code: "ERR_UNKNOWN_BACKBONE",
        message: expect.stringContaining('Did you mean "mobilenet_v2"?') as string,
      }) as Error,
    );
  });

  it("never starts from random weights unasked", () => {
    expect(() => createImageBackbone("resnet18")).toThrow(
      expect.objectContaining({ code: "ERR_WEIGHTS_UNAVAILABLE" }) as Error,
    );
    expect(createImageBackbone("resnet18", false)).toMatchObject({ pretrained: false, numFeatures: 512 });
  });

  it("refuses weights of another network", async () => {
    const path = await weightFile({ "conv1.weight": [3, 3] });
    expect(() => createImageBackbone("resnet18", path)).toThrow(/conv1\.weight/);
  });

  it("refuses a weight file that is not there", () => {
    expect(() => createImageBackbone("resnet18", "missing.safetensors")).toThrow(
      expect.objectContaining({ code: "ERR_WEIGHTS_READ" }) as Error,
    );
  });
});
