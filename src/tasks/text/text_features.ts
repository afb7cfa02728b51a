/** A frozen backbone's features of texts, computed once and kept in memory: 4 bytes a feature. */
import * as tf from "@tensorflow/tfjs-core";
import type { TextModule } from "../../backbones/text/text_backbone.js";
import {
  DataLoader,
  LengthGroupedSampler,
  type ClassificationTarget,
  type Dataset,
} from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { TextDataset, type TextBatch, type TextSample } from "./text_dataset.js";

/** The name under which features stand in a batch. */
export const FEATURES = "features";

/** Texts that go through the backbone at once. */
const BATCH_SIZE = 64;

interface FeatureSample {
  input: { [FEATURES]: HostTensor };
  target?: ClassificationTarget;
  index: number;
}

class TextFeatureDataset implements Dataset<FeatureSample> {
  readonly length: number;
  readonly #features: Float32Array;
  readonly #width: number;
  readonly #targets: readonly ClassificationTarget[] | undefined;

  constructor({ length, targets }: TextDataset, features: Float32Array, width: number) {
    this.length = length;
    this.#features = features;
    this.#width = width;
    this.#targets = targets;
  }

  get(index: number): FeatureSample {
    const width = this.#width;
    const features = this.#features.subarray(index * width, (index + 1) * width);
    const target = this.#targets?.[index];
    const input = { [FEATURES]: new HostTensor(features, [width]) };
    return { input, ...(target !== undefined && { target }), index };
  }
}

/** A loader in the same order, whose batches hold features instead of texts. */
export async function extractTextFeatures(
  loader: DataLoader<TextSample, TextBatch>,
  dataset: TextDataset,
  module: TextModule,
): Promise<DataLoader<FeatureSample>> {
  const width = module.numFeatures;
  const features = new Float32Array(dataset.length * width);
  const sorted = new DataLoader<TextSample, TextBatch>(dataset, {
    batchSize: BATCH_SIZE,
    sampler: new LengthGroupedSampler(dataset.lengths, { batchSize: BATCH_SIZE }),
    collate: (samples) => dataset.collate(samples),
  });
  for await (const { input, index } of sorted) {
    const output = tf.tidy(() => {
      const tensors = Object.entries(input).map(([name, array]) => [name, fromHost(array)] as const);
      return inEvalMode(module, () => module.forward(Object.fromEntries(tensors)));
    });
    const rows = await output.data<"float32">();
    output.dispose();
    index.data.forEach((position, row) => {
      features.set(rows.subarray(row * width, (row + 1) * width), position * width);
    });
  }
  return loader.withDataset(new TextFeatureDataset(dataset, features, width));
}
