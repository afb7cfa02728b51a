/** Backbones whose weights come from the hub: architectures of the registry, repositories of timm's, ONNX repositories. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createImageBackbone,
  downloadBackbone,
  findBackboneFolder,
  loadImageBackbone,
  resnet18,
  type ImageBackbone,
} from "../../../src/backbones/index.js";
import { bundleProgram } from "../../../bench/bundle.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { decodeOnnx } from "../../../src/onnx/index.js";
import { writeOnnx } from "../../../src/onnx/write.js";
import { encodeSafetensors, type SafetensorsTensor } from "../../../src/safetensors.js";
import { ImageClassifier } from "../../../src/tasks/image/image_classifier.js";
import { HubServer } from "../../support/hub_server.js";
import { describeShared } from "../../support/shared.js";
import "../../support/backend.js";

const root = resolve(import.meta.dirname, "../../..");
const TIMM_CONFIG = JSON.stringify({
  architecture: "resnet18",
  num_classes: 1000,
  pretrained_cfg: {
    input_size: [3, 224, 224],
    interpolation: "bilinear",
    crop_pct: 0.875,
    crop_mode: "center",
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
});

let server: HubServer;
let cacheDir: string;

beforeEach(async () => {
  server = await HubServer.start();
  cacheDir = mkdtempSync(join(tmpdir(), "kindling-hub-"));
  vi.stubEnv("HF_ENDPOINT", server.endpoint);
  vi.stubEnv("HF_HUB_CACHE", cacheDir);
  vi.stubEnv("HF_HOME", cacheDir);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

/** Weights of a ResNet, as timm writes them: torchvision's names, and a classifier. Each tensor has a number of its own. */
function resnetFile(): { file: Uint8Array; last: number } {
  const module = resnet18();
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    const shape = [...tensor.shape];
    tensors[name] = name.endsWith("num_batches_tracked")
      ? { dtype: "I64", shape, data: BigInt64Array.of(7n) }
      : { dtype: "F32", shape, data: new Float32Array(tensor.size).fill(Object.keys(tensors).length) };
  }
  const last = (tensors["layer4.1.conv2.weight"]!.data as Float32Array)[0]!;
  tensors["fc.weight"] = { dtype: "F32", shape: [10, 512], data: new Float32Array(5120) };
  tensors["fc.bias"] = { dtype: "F32", shape: [10], data: new Float32Array(10) };
  return { file: encodeSafetensors(tensors), last };
}

describe("an architecture of the registry", () => {
  it("gets its weights from the hub's cache, and says how they come there", async () => {
    expect(() => createImageBackbone("resnet18")).toThrow(
      expect.objectContaining({
        code: "ERR_BACKBONE_NOT_DOWNLOADED",
        message: expect.stringMatching(
          /await downloadBackbone\("resnet18"\).*pretrained: "weights\.safetensors".*pretrained: false/s,
        ) as string,
      }) as Error,
    );
    const { file, last } = resnetFile();
    const files = { "config.json": TIMM_CONFIG, "model.safetensors": file, "pytorch_model.bin": "unwanted" };
    server.add("timm/resnet18.tv_in1k", { files });
    await downloadBackbone("resnet18");
    expect(server.downloads("pytorch_model.bin")).toHaveLength(0);

    const backbone = createImageBackbone("resnet18");
    expect(backbone).toMatchObject({ kind: "module", name: "resnet18", pretrained: true, numFeatures: 512 });
    expect(backbone.input).toMatchObject({ resize: { shortestEdge: 256 }, interpolation: "bilinear" });
    if (backbone.kind !== "module") throw new Error("expected a module");
    expect(backbone.module.stateDict()["layer4.1.conv2.weight"]!.dataSync()[0]).toBe(last);
  });

  it("is recognised in another of timm's repositories, with that one's way of preparing pictures", async () => {
    const config = TIMM_CONFIG.replace("0.875", "0.95").replace("bilinear", "bicubic");
    server.add("timm/resnet18.a1_in1k", {
      files: { "config.json": config, "model.safetensors": resnetFile().file },
    });
    const folder = await downloadBackbone("timm/resnet18.a1_in1k");
    const expected = { kind: "module", input: { resize: { shortestEdge: 235 }, interpolation: "bicubic" } };
    expect(createImageBackbone("timm/resnet18.a1_in1k")).toMatchObject(expected);
    expect(createImageBackbone(folder)).toMatchObject(expected);
    expect(createImageBackbone("resnet18", "timm/resnet18.a1_in1k")).toMatchObject(expected);
  });
});

describe("a repository", () => {
  it("of an architecture that is not known says what to take", async () => {
    const files = { "config.json": "{}", "model.safetensors": "unread" };
    server.add("kindling/odd", { files });
    await downloadBackbone("kindling/odd");
    expect(() => createImageBackbone("kindling/odd")).toThrow(
      /architecture that Kindling does not have.*onnx-community/,
    );
  });

  it("without weights that can be used says what it has", async () => {
    server.add("kindling/pickle", { files: { "config.json": "{}", "pytorch_model.bin": "x" } });
    await expect(downloadBackbone("kindling/pickle")).rejects.toMatchObject({
      code: "ERR_BACKBONE_FOLDER",
      message: expect.stringMatching(/expected onnx\/model\.onnx, and it has pytorch_model\.bin/) as string,
    });
  });

  it("has the file of a type of weights, with what lies beside it, or lists those that there are", async () => {
    const files = {
      "config.json": "{}",
      "tokenizer.json": "{}",
      "onnx/model.onnx": "full",
      "onnx/model_fp16.onnx": "half",
      "onnx/model_fp16.onnx_data": "of half",
      "onnx/model_quantized.onnx": "eighth",
    };
    server.add("kindling/text", { files });
    const folder = await downloadBackbone("kindling/text", { dtype: "fp16" });
    expect(findBackboneFolder("text", "kindling/text", { dtype: "fp16" })).toMatchObject({
      folder,
      files: {
        main: "onnx/model_fp16.onnx",
        all: ["config.json", "tokenizer.json", "onnx/model_fp16.onnx", "onnx/model_fp16.onnx_data"],
      },
    });
    await expect(downloadBackbone("kindling/text", { dtype: "q4" })).rejects.toMatchObject({
      code: "ERR_BACKBONE_DTYPE",
      message: expect.stringMatching(/Choose one of "fp32", "fp16", "q8"/) as string,
    });
    expect(() => findBackboneFolder("text", "kindling/text")).toThrow(
      /await downloadBackbone\("kindling\/text"\)/,
    );
  });
});

describe("names that are none", () => {
  it("are answered with the nearest", async () => {
    expect(() => createImageBackbone("resnet_18")).toThrow(/Did you mean "resnet18"\?/);
    await expect(downloadBackbone("distilbert-base-uncase")).rejects.toThrow(
      /Did you mean "distilbert-base-uncased"\?/,
    );
    await expect(downloadBackbone("small_cnn")).rejects.toMatchObject({ code: "ERR_WEIGHTS_UNAVAILABLE" });
    expect(() => createImageBackbone("dinov2_small", false)).toThrow(
      expect.objectContaining({ code: "ERR_PRETRAINED_OPTION" }) as Error,
    );
  });
});

function features(backbone: ImageBackbone, pixels: HostTensor): HostTensor {
  if (backbone.kind === "frozen") return backbone.extract(pixels);
  return backbone.onnx!.freeze()!.extract(pixels);
}

describeShared("models/mobilenet_v2", (source) => {
  it("works from the hub as from a folder, in a task too", async () => {
    const names = ["config.json", "preprocessor_config.json", "onnx/model.onnx"];
    server.add("kindling/mobilenet_v2", {
      files: Object.fromEntries(names.map((name) => [name, readFileSync(join(source, name))])),
    });
    await downloadBackbone("kindling/mobilenet_v2");
    const pixels = new HostTensor(
      Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 31) % 256),
      [1, 224, 224, 3],
    );
    const [hub, folder] = ["kindling/mobilenet_v2", source].map((name) => createImageBackbone(name));
    expect(hub!.name).toBe("kindling/mobilenet_v2");
    expect(features(hub!, pixels)).toEqual(features(folder!, pixels));
    const task = new ImageClassifier({ labels: ["a", "b"], backbone: "kindling/mobilenet_v2" });
    expect(task.input).toEqual(folder!.input);
  });

  it("is read from a repository that keeps the weights beside its file", async () => {
    const model = decodeOnnx(readFileSync(join(source, "onnx", "model.onnx")));
    const folder = join(cacheDir, "apart");
    mkdirSync(folder);
    await writeOnnx(join(folder, "model.onnx"), model, { externalData: true });
    const read = (name: string) => readFileSync(join(folder, name));
    server.add("kindling/apart", {
      files: {
        "preprocessor_config.json": readFileSync(join(source, "preprocessor_config.json")),
        "onnx/model.onnx": read("model.onnx"),
        "onnx/model.onnx_data": read("model.onnx_data"),
      },
      large: () => true,
    });
    const loaded = await loadImageBackbone("kindling/apart");
    const pixels = new HostTensor(new Uint8Array(224 * 224 * 3).fill(99), [1, 224, 224, 3]);
    expect(features(loaded, pixels)).toEqual(features(createImageBackbone(source), pixels));
    expect(() => createImageBackbone("kindling/apart")).toThrow(
      /await loadImageBackbone\("kindling\/apart"\)/,
    );
  });

  it("trains in a program of its own, which downloads the first time only", async () => {
    const names = ["config.json", "preprocessor_config.json", "onnx/model.onnx"];
    server.add("kindling/mobilenet_v2", {
      files: Object.fromEntries(names.map((name) => [name, readFileSync(join(source, name))])),
    });
    const photos = join(cacheDir, "photos");
    for (const [label, background] of [
      ["dark", "#102030"],
      ["light", "#e0d0c0"],
    ] as const) {
      mkdirSync(join(photos, label), { recursive: true });
      for (let i = 0; i < 5; i++) {
        const picture = sharp({ create: { width: 64 + i, height: 64, channels: 3, background } });
        await picture.png().toFile(join(photos, label, `${i}.png`));
      }
    }
    const example = bundleProgram(join(root, "examples", "hub_backbone.ts"));
    const run = () =>
      promisify(execFile)(process.execPath, [example, photos, "kindling/mobilenet_v2"], { cwd: cacheDir });
    const first = await run();
    expect(first.stderr).toMatch(/Downloading onnx\/model\.onnx of kindling\/mobilenet_v2, \d+\.\d MB\n/);
    expect(first.stdout).toMatch(/val_accuracy: 1\b/);
    const second = await run();
    expect(second.stderr).not.toMatch(/Download/);
    expect(second.stdout).toBe(first.stdout);
    expect(server.downloads("onnx/model.onnx")).toHaveLength(1);
  }, 180_000);
});
