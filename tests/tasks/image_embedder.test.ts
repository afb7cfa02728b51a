/** ImageEmbedder: features of any layer, of a task that has learned and of a pretrained backbone, and searching with them. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { IMAGENET_NORMALIZATION, SmallCnn, type TrainableBackbone } from "../../src/backbones/index.js";
import { decodeImage, imageToTensor, type PixelData } from "../../src/data/index.js";
import { Conv2d, Linear, Module, Sequential } from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { ImageClassifier } from "../../src/tasks/image/image_classifier.js";
import { readOnnx } from "../../src/onnx/index.js";
import { ImageEmbedder, type EmbedderOptions } from "../../src/tasks/image/image_embedder.js";
import { cosineSimilarity, nearestNeighbors } from "../../src/tasks/similarity.js";
import { splitPhotos, type LabelledFiles } from "../../bench/photos.js";
import { describeShared } from "../support/shared.js";
import "../support/backend.js";

const EDGE = 16;
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

function noise(seed: number): PixelData {
  const random = new Generator(seed);
  const data = Uint8Array.from({ length: EDGE * EDGE * 3 }, () => random.integer(256));
  return { data, width: EDGE, height: EDGE, channels: 3 };
}

function backboneOf(module: Module<tf.Tensor, tf.Tensor>, numFeatures: number): TrainableBackbone {
  const input = {
    ...IMAGENET_NORMALIZATION,
    resize: { height: EDGE, width: EDGE },
    interpolation: "bilinear",
  } as const;
  return { kind: "module", name: "own", module, numFeatures, input, pretrained: false };
}

/** What a module gives for a picture, computed here. */
function run(picture: PixelData, forward: (pixels: tf.Tensor) => tf.Tensor): Float32Array {
  const { mean, std } = IMAGENET_NORMALIZATION;
  const bytes = tf.tensor(Float32Array.from(picture.data), [1, EDGE, EDGE, 3]);
  return forward(tf.div(tf.sub(tf.div(bytes, 255), [...mean]), [...std])).dataSync() as Float32Array;
}

function expectNear(actual: Float32Array, expected: ArrayLike<number>): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
}

describe("an ImageEmbedder", () => {
  seedEverything(0);
  const module = new SmallCnn();
  const backbone = backboneOf(module, 256);
  const [first, second] = [noise(1), noise(2)];
  const stages = [...module.features].slice(0, 2);
  const twoStages = (x: tf.Tensor): tf.Tensor => stages.reduce((value, stage) => stage.forward(value), x);

  it("gives the features that a head is put on, and leaves the backbone in its mode", async () => {
    const embedder = new ImageEmbedder({ backbone });
    module.train();
    const one = await embedder.predict(first);
    const many = await embedder.predict([first, second]);
    expect(module.training).toBe(true);
    module.eval();
    expectNear(
      one,
      run(first, (x) => module.forward(x)),
    );
    expect(many).toHaveLength(2);
    expectNear(many[0]!, one);
    expectNear(
      many[1]!,
      run(second, (x) => module.forward(x)),
    );
  });

  it.each([
    ["mean", (x: tf.Tensor) => tf.mean(x, [1, 2])],
    ["max", (x: tf.Tensor) => tf.max(x, [1, 2])],
    ["first", (x: tf.Tensor) => tf.slice(x, [0, 0, 0, 0], [1, 1, 1, -1])],
    ["none", (x: tf.Tensor) => x],
  ] as const)("gives a layer inside the backbone, pooled by %s", async (pooling, pool) => {
    const embedder = new ImageEmbedder({ backbone, layer: "features.1", pooling });
    module.eval();
    expectNear(
      await embedder.predict(first),
      run(first, (x) => pool(twoStages(x))),
    );
  });

  it("gives vectors of length 1 where asked", async () => {
    const plain = await new ImageEmbedder({ backbone }).predict(first);
    const unit = await new ImageEmbedder({ backbone, normalize: true }).predict(first);
    expect(Math.hypot(...unit)).toBeCloseTo(1, 5);
    expect(cosineSimilarity(plain, unit)).toBeCloseTo(1, 5);
  });

  it("resizes pictures as asked", async () => {
    const embedder = new ImageEmbedder({ backbone, imageSize: 32, layer: "features.0", pooling: "none" });
    expect(await embedder.predict(first)).toHaveLength(16 * 16 * 32);
  });

  it("refuses what it cannot give", async () => {
    expect(() => new ImageEmbedder({ backbone, layer: "feature.1" })).toThrow(/Did you mean "features.1"/);
    expect(() => new ImageEmbedder({ backbone, layer: "x" })).toThrow(code("ERR_EMBEDDER_LAYER"));
    expect(() => new ImageEmbedder({ backbone, pooling: "sum" as "mean" })).toThrow(
      code("ERR_EMBEDDER_OPTION"),
    );
    expect(() => new ImageEmbedder({ backbone: "resnet19" })).toThrow(code("ERR_UNKNOWN_BACKBONE"));

    class Unused extends Module {
      readonly convolution = new Conv2d(3, 2, 1);
      readonly unused = new Linear(2, 2);
      override forward(x: tf.Tensor): tf.Tensor {
        return tf.mean(this.convolution.forward(x), [1, 2]);
      }
    }
    const embedder = new ImageEmbedder({ backbone: backboneOf(new Unused(), 2), layer: "unused" });
    await expect(embedder.predict(first)).rejects.toThrow(code("ERR_EMBEDDER_LAYER"));
  });
});

describe("a classifier as an embedder", () => {
  it("gives what its head takes", async () => {
    const module = new Sequential(new Conv2d(3, 4, 3), new SpatialMean());
    const task = new ImageClassifier({ labels: ["a", "b", "c"], backbone: backboneOf(module, 4) });
    const [logits, embedding] = await Promise.all([
      task.predict(noise(3), { output: "logits" }),
      task.asEmbedder().predict(noise(3)),
    ]);
    const head = tf.dot(task.head.weight, tf.tensor1d(embedding));
    expectNear(Float32Array.from(logits), tf.add(head, task.head.bias!).dataSync());
    expect(await task.asEmbedder({ layer: "0", pooling: "none" }).predict(noise(3))).toHaveLength(
      14 * 14 * 4,
    );
  });
});

class SpatialMean extends Module {
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.mean(x, [1, 2]);
  }
}

describe("similarity", () => {
  it("is the cosine", () => {
    expect(cosineSimilarity([1, 0], [0, 2])).toBe(0);
    expect(cosineSimilarity([1, 1], [3, 3])).toBeCloseTo(1, 12);
    expect(cosineSimilarity([1, 0], [-1, 1])).toBeCloseTo(-Math.SQRT1_2, 12);
    expect(cosineSimilarity([0, 0], [1, 1])).toBe(0);
    expect(() => cosineSimilarity([1], [1, 2])).toThrow(code("ERR_EMBEDDING_LENGTH"));
  });

  it("puts the nearest first", () => {
    const neighbors = nearestNeighbors(
      [1, 0.1],
      [
        [0, 1],
        [2, 0],
        [1, 1],
        [-1, 0],
      ],
      { k: 3 },
    );
    expect(neighbors.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(neighbors[0]!.similarity).toBeCloseTo(1 / Math.hypot(1, 0.1), 6);
    expect(nearestNeighbors([1], [[1]])).toHaveLength(1);
  });
});

describeShared("models/mobilenet_v2", (folder) => {
  it("gives an inner tensor of an ONNX model by its name", async () => {
    const { graph } = await readOnnx(join(folder, "onnx", "model.onnx"));
    const convolutions = graph.nodes.filter(({ operator }) => operator === "Conv");
    const last = convolutions.at(-1)!.outputs[0]!;
    const after = graph.nodes.filter(({ inputs }) => inputs.includes(last));
    expect(after.map(({ operator }) => operator)).toEqual(["Clip"]);
    const embed = (options: EmbedderOptions): Promise<Float32Array> =>
      new ImageEmbedder({ backbone: folder, imageSize: 96, ...options }).predict(noise(5));
    const inner = await embed({ layer: last, pooling: "none" });
    // The features are the means of this map behind the activation.
    const means = Array.from({ length: 1280 }, (_, channel) => {
      const values = Array.from({ length: 9 }, (_, place) => inner[place * 1280 + channel]!);
      return values.reduce((sum, value) => sum + Math.min(6, Math.max(0, value)), 0) / 9;
    });
    expectNear(await embed({}), means);
    expect(() => new ImageEmbedder({ backbone: folder, layer: "no_such_tensor" })).toThrow(
      code("ERR_ONNX_TENSOR"),
    );
  });

  describeShared("data/caltech12", () => {
    const few = ({ files, targets }: LabelledFiles, each: number): LabelledFiles => {
      const seen = new Map<string, number>();
      const places = targets.flatMap((target, i) => {
        const count = seen.get(target) ?? 0;
        seen.set(target, count + 1);
        return count < each ? [i] : [];
      });
      return { files: places.map((i) => files[i]!), targets: places.map((i) => targets[i]!) };
    };

    /** The share of queries whose most similar picture is of their class. */
    const accuracy = (
      queries: Float32Array[],
      gallery: Float32Array[],
      split: [LabelledFiles, LabelledFiles],
    ) => {
      const hits = queries.filter((query, i) => {
        const [nearest] = nearestNeighbors(query, gallery);
        return split[1].targets[nearest!.index] === split[0].targets[i];
      });
      return hits.length / queries.length;
    };

    it(
      "finds photos of the same class as often as plain onnxruntime-node does",
      { timeout: 240_000 },
      async () => {
        const { train, heldOut } = splitPhotos();
        const [queries, gallery] = [few(heldOut, 3), few(train, 5)];
        const embedder = new ImageEmbedder({ backbone: folder });
        const embeddings = await embedder.predict([...queries.files, ...gallery.files]);

        const session = await InferenceSession.create(join(folder, "onnx", "model.onnx"));
        const plain: Float32Array[] = [];
        for (const file of [...queries.files, ...gallery.files]) {
          const { data } = imageToTensor(await decodeImage(file, embedder.input));
          const { mean, std } = IMAGENET_NORMALIZATION;
          const plane = 224 * 224;
          const pixels = Float32Array.from({ length: plane * 3 }, (_, i) => {
            const [channel, place] = [Math.floor(i / plane), i % plane];
            return (data[place * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
          });
          const output = await session.run({ pixel_values: new Tensor("float32", pixels, [1, 3, 224, 224]) });
          plain.push(output.pooler_output!.data as Float32Array);
        }
        embeddings.forEach((embedding, i) =>
          expect(cosineSimilarity(embedding, plain[i]!)).toBeGreaterThan(1 - 1e-6),
        );
        const at = queries.files.length;
        const ours = accuracy(embeddings.slice(0, at), embeddings.slice(at), [queries, gallery]);
        const theirs = accuracy(plain.slice(0, at), plain.slice(at), [queries, gallery]);
        expect(ours).toBe(theirs);
        expect(ours).toBeGreaterThan(0.85);
      },
    );
  });
});
