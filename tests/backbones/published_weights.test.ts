/** Weight files of several publishers: each of their names finds its place, and what they hold in another form is brought into ours. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  Bert,
  ConvNeXt,
  DistilBert,
  EfficientNetB0,
  MobileNetV2,
  MobileNetV3,
  VisionTransformer,
  Wav2Vec2,
  Wav2Vec2Conformer,
  type PublishedWeights,
  type Weights,
} from "../../src/backbones/index.js";
import { setWeights } from "../../src/backbones/weights.js";
import { HostTensor } from "../../src/host_tensor.js";
import type { AnyModule } from "../../src/nn/index.js";
import { readGoldens, uniform, type Golden } from "./golden.js";

const { networks } = readGoldens<{ networks: Record<string, Golden> }>("backbones.json");

/** The tensors of a module under another publisher's names, one for one in order, filled with numbers of their own. */
function renamed(ours: Record<string, readonly number[]>, theirs: readonly string[]): Weights {
  const shapes = Object.entries(ours).filter(([name]) => !name.endsWith("num_batches_tracked"));
  expect(theirs).toHaveLength(shapes.length);
  return Object.fromEntries(
    theirs.map((name, i) => {
      const shape = shapes[i]![1];
      const size = shape.reduce((product, length) => product * length, 1);
      return [name, new HostTensor(Float32Array.from(uniform(size, i + 1)), shape)];
    }),
  );
}

/** The names of the module's tensors by the numbers that were put into them. */
function expectSameOrder(
  converted: Weights,
  ours: readonly string[],
  given: Weights,
  theirs: readonly string[],
): void {
  const names = ours.filter((name) => !name.endsWith("num_batches_tracked"));
  expect(Object.keys(converted).sort()).toEqual([...names].sort());
  names.forEach((name, i) => {
    expect(converted[name]!.data.slice(0, 8), name).toEqual(given[theirs[i]!]!.data.slice(0, 8));
  });
}

const batchNorm = (name: string): string[] =>
  ["weight", "bias", "running_mean", "running_var"].map((kind) => `${name}.${kind}`);
const affine = (name: string): string[] => [`${name}.weight`, `${name}.bias`];

/** The names of timm's nets of inverted residuals, in the order of its modules. @param squeezes whether block i does */
function timmNames(
  repeats: readonly number[],
  squeezes: (block: number) => boolean,
  tail: readonly string[],
): string[] {
  let block = 0;
  const blocks = repeats.flatMap((count, stage) =>
    Array.from({ length: count }, (_, i) => {
      const name = `blocks.${stage}.${i}`;
      const squeeze = squeezes(block)
        ? [...affine(`${name}.se.conv_reduce`), ...affine(`${name}.se.conv_expand`)]
        : [];
      if (block++ === 0) {
        const depthwise = [`${name}.conv_dw.weight`, ...batchNorm(`${name}.bn1`)];
        return [...depthwise, ...squeeze, `${name}.conv_pw.weight`, ...batchNorm(`${name}.bn2`)];
      }
      const expanded = [`${name}.conv_pw.weight`, ...batchNorm(`${name}.bn1`)];
      const depthwise = [`${name}.conv_dw.weight`, ...batchNorm(`${name}.bn2`)];
      return [...expanded, ...depthwise, ...squeeze, `${name}.conv_pwl.weight`, ...batchNorm(`${name}.bn3`)];
    }).flat(),
  );
  return ["conv_stem.weight", ...batchNorm("bn1"), ...blocks, ...tail];
}

const HEAD = new HostTensor(new Float32Array(4), [4]);
const lastConvolution = ["conv_head.weight", ...batchNorm("bn2")];

describe("timm", () => {
  it.each<[string, AnyModule & PublishedWeights, readonly string[]]>([
    ["mobilenet_v2", new MobileNetV2(), timmNames([1, 2, 3, 4, 3, 3, 1], () => false, lastConvolution)],
    ["efficientnet_b0", new EfficientNetB0(), timmNames([1, 2, 2, 3, 3, 4, 1], () => true, lastConvolution)],
  ])("%s", (name, module, theirs) => {
    const { shapes } = networks[name]!;
    const given = renamed(shapes, theirs);
    const converted = module.fromPublished({ ...given, "classifier.bias": HEAD });
    expectSameOrder(converted, Object.keys(shapes), given, theirs);
    expect(() => setWeights(module, given)).not.toThrow(); // timm's files need not count batches
  });

  it.each([
    ["small", [1, 2, 3, 2, 3], (block: number) => block === 0 || block > 2],
    ["large", [1, 2, 3, 4, 2, 3], (block: number) => (block > 2 && block < 6) || block > 9],
  ] as const)("mobilenet_v3_%s", (size, repeats, squeezes) => {
    const { shapes } = networks[`mobilenet_v3_${size}`]!;
    const last = `blocks.${repeats.length}.0`;
    const tail = [`${last}.conv.weight`, ...batchNorm(`${last}.bn1`), ...affine("conv_head")];
    const theirs = timmNames(repeats, squeezes, tail);
    const given = renamed(shapes, theirs);
    const { data, shape } = given["conv_head.weight"]!;
    const asConvolution = new HostTensor(data, [...shape, 1, 1]);
    const variances = Object.entries(given).filter(([name]) => name.endsWith("running_var"));
    const positive = variances.map(([name, v]) => [
      name,
      new HostTensor(
        v.data.map(() => 0.5),
        v.shape,
      ),
    ]);
    const file = {
      ...given,
      ...(Object.fromEntries(positive) as Weights),
      "conv_head.weight": asConvolution,
    };
    const converted = new MobileNetV3(size).fromPublished({ ...file, "classifier.bias": HEAD });
    // timm adds 1e-5 to the variance where torchvision adds 1e-3.
    const { data: variance } = converted["features.0.1.running_var"]!;
    expect(variance[0]! + 1e-3).toBeCloseTo(0.5 + 1e-5, 7);
    const withoutVariances = (weights: Weights): Weights =>
      Object.fromEntries(
        Object.entries(weights).map(([name, tensor]) => [
          name,
          name.endsWith("running_var")
            ? new HostTensor(new Float32Array(tensor.data.length), tensor.shape)
            : tensor,
        ]),
      );
    expectSameOrder(withoutVariances(converted), Object.keys(shapes), withoutVariances(given), theirs);
    expect(converted["classifier.0.weight"]!.shape).toEqual(shape);
  });

  it("convnext", () => {
    const { shapes } = networks["small convnext"]!;
    const blocks = [1, 2, 1, 1].flatMap((count, stage) => {
      const names = Array.from({ length: count }, (_, i) => `stages.${stage}.blocks.${i}`);
      const layers = names.flatMap((name) => [
        `${name}.gamma`,
        ...["conv_dw", "norm", "mlp.fc1", "mlp.fc2"].flatMap((layer) => affine(`${name}.${layer}`)),
      ]);
      const down = `stages.${stage}.downsample`;
      return stage === 0 ? layers : [...affine(`${down}.0`), ...affine(`${down}.1`), ...layers];
    });
    const theirs = [...affine("stem.0"), ...affine("stem.1"), ...blocks, ...affine("head.norm")];
    const given = renamed(shapes, theirs);
    const flat = Object.entries(given).map(([name, t]) => [
      name,
      name.endsWith("gamma") ? new HostTensor(t.data, [t.data.length]) : t,
    ]);
    const module = new ConvNeXt({ channels: [16, 32, 48, 64], layers: [1, 2, 1, 1] });
    const file = { ...(Object.fromEntries(flat) as Weights), "head.fc.weight": HEAD };
    expectSameOrder(module.fromPublished(file), Object.keys(shapes), given, theirs);
    expect(() => setWeights(module, file)).not.toThrow();
  });

  it("vision transformer", () => {
    const module = smallVit();
    const ours = shapesOf(module);
    const theirs = [
      "cls_token",
      ...affine("patch_embed.proj"),
      "pos_embed",
      ...[0, 1].flatMap((i) => timmBlock(`blocks.${i}`)),
      ...affine("norm"),
    ];
    const given = renamed(ours, theirs);
    const file = { ...given, "head.weight": HEAD, "head.bias": HEAD };
    expectSameOrder(module.fromPublished(file), Object.keys(ours), given, theirs);
    expect(() => setWeights(module, file)).not.toThrow();
  });
});

const timmBlock = (name: string): string[] =>
  ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"].flatMap((layer) =>
    affine(`${name}.${layer}`),
  );

const smallVit = (): VisionTransformer =>
  new VisionTransformer({ imageSize: 8, patchSize: 4, numLayers: 2, numHeads: 2, hiddenDim: 8, mlpDim: 12 });

const shapesOf = (module: AnyModule): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(module.stateDict()).map(([name, { shape }]) => [name, shape]));

describe("Hugging Face", () => {
  it("convnext", () => {
    const module = new ConvNeXt({ channels: [4, 8, 8, 8], layers: [1, 1, 1, 1] });
    const ours = shapesOf(module);
    const blocks = [0, 1, 2, 3].flatMap((stage) => {
      const name = `convnext.encoder.stages.${stage}`;
      const layer = `${name}.layers.0`;
      const layers = [
        `${layer}.layer_scale_parameter`,
        ...["dwconv", "layernorm", "pwconv1", "pwconv2"].flatMap((part) => affine(`${layer}.${part}`)),
      ];
      const down = `${name}.downsampling_layer`;
      return stage === 0 ? layers : [...affine(`${down}.0`), ...affine(`${down}.1`), ...layers];
    });
    const embeddings = [
      ...affine("convnext.embeddings.patch_embeddings"),
      ...affine("convnext.embeddings.layernorm"),
    ];
    const theirs = [...embeddings, ...blocks, ...affine("convnext.layernorm")];
    const given = renamed(ours, theirs);
    const flat = Object.entries(given).map(([name, t]) => [
      name,
      name.endsWith("parameter") ? new HostTensor(t.data, [t.data.length]) : t,
    ]);
    const file = { ...(Object.fromEntries(flat) as Weights), "classifier.bias": HEAD };
    expectSameOrder(module.fromPublished(file), Object.keys(ours), given, theirs);
    setWeights(module, file);
  });

  it.each(["", "vit."])("vision transformer, names beginning with %j", (prefix) => {
    const module = smallVit();
    const width = 8;
    const file: Record<string, HostTensor> = {
      "classifier.bias": HEAD,
      [`${prefix}pooler.dense.bias`]: HEAD,
    };
    let seed = 0;
    const put = (name: string, shape: number[]): void => {
      const size = shape.reduce((product, length) => product * length, 1);
      file[prefix + name] = new HostTensor(Float32Array.from(uniform(size, ++seed)), shape);
    };
    const layer = (name: string, inputs: number, outputs: number): void => {
      put(`${name}.weight`, [outputs, inputs]);
      put(`${name}.bias`, [outputs]);
    };
    put("embeddings.cls_token", [1, 1, width]);
    put("embeddings.position_embeddings", [1, 5, width]);
    put("embeddings.patch_embeddings.projection.weight", [width, 3, 4, 4]);
    put("embeddings.patch_embeddings.projection.bias", [width]);
    for (const block of ["encoder.layer.0", "encoder.layer.1"]) {
      for (const part of ["query", "key", "value"])
        layer(`${block}.attention.attention.${part}`, width, width);
      layer(`${block}.attention.output.dense`, width, width);
      layer(`${block}.intermediate.dense`, width, 12);
      layer(`${block}.output.dense`, 12, width);
      for (const norm of ["layernorm_before", "layernorm_after"]) {
        put(`${block}.${norm}.weight`, [width]);
        put(`${block}.${norm}.bias`, [width]);
      }
    }
    put("layernorm.weight", [width]);
    put("layernorm.bias", [width]);
    setWeights(module, file);
    const state = module.stateDict();
    const joined = state["encoder.layers.encoder_layer_1.self_attention.in_proj_weight"]!.dataSync();
    const parts = ["query", "key", "value"].flatMap((part) => [
      ...file[`${prefix}encoder.layer.1.attention.attention.${part}.weight`]!.data,
    ]);
    expect([...joined]).toEqual(parts);
    const inner = file[`${prefix}encoder.layer.0.intermediate.dense.bias`]!.data;
    expect(state["encoder.layers.encoder_layer_0.mlp.0.bias"]!.dataSync()).toEqual(inner);
    const projection = file[`${prefix}encoder.layer.0.attention.output.dense.bias`]!.data;
    expect(state["encoder.layers.encoder_layer_0.self_attention.out_proj.bias"]!.dataSync()).toEqual(
      projection,
    );
  });

  const bert = { vocabSize: 5, hiddenSize: 4, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 6 };
  const distilbert = { vocabSize: 5, dim: 4, nLayers: 1, nHeads: 2, hiddenDim: 6, maxPositionEmbeddings: 3 };
  const speech = {
    convDim: [4, 4],
    convKernel: [4, 2],
    convStride: [2, 2],
    hiddenSize: 8,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    intermediateSize: 6,
  };

  it.each<[string, () => AnyModule & PublishedWeights, (name: string) => string, readonly string[]]>([
    ["BERT", () => new Bert(bert), (name) => name, []],
    [
      "BERT inside a classifier",
      () => new Bert(bert),
      (name) => `bert.${name}`,
      ["classifier.weight", "cls.predictions.bias", "bert.embeddings.position_ids"],
    ],
    [
      "BERT from TensorFlow",
      () => new Bert(bert),
      (name) => name.replace(/(LayerNorm)\.weight$/, "$1.gamma").replace(/(LayerNorm)\.bias$/, "$1.beta"),
      [],
    ],
    [
      "DistilBERT inside a classifier",
      () => new DistilBert(distilbert),
      (name) => `distilbert.${name}`,
      ["pre_classifier.weight", "classifier.bias", "vocab_projector.bias"],
    ],
    [
      "wav2vec 2.0 for CTC",
      () => new Wav2Vec2({ ...speech, numConvPosEmbeddings: 4, numConvPosEmbeddingGroups: 2 }),
      (name) => `wav2vec2.${name}`,
      ["lm_head.weight", "quantizer.codevectors", "project_hid.bias"],
    ],
    [
      "wav2vec 2.0 since PyTorch 2.1",
      () => new Wav2Vec2({ ...speech, numConvPosEmbeddings: 4, numConvPosEmbeddingGroups: 2 }),
      (name) =>
        `wav2vec2.${name}`
          .replace(/weight_g$/, "parametrizations.weight.original0")
          .replace(/weight_v$/, "parametrizations.weight.original1"),
      [],
    ],
    [
      "a conformer on wav2vec 2.0's convolutions",
      () => new Wav2Vec2Conformer(speech),
      (name) => `wav2vec2_conformer.${name}`,
      [
        "lm_head.bias",
        "wav2vec2_conformer.encoder.pos_conv_embed.conv.weight_g",
        "wav2vec2_conformer.encoder.embed_positions.inv_freq",
      ],
    ],
  ])("%s", (_name, make, rename, others) => {
    const [module, target] = [make(), make()];
    const given = Object.entries(module.stateDict()).map(([name, tensor]) => [
      rename(name),
      new HostTensor(tensor.dataSync() as Float32Array, tensor.shape),
    ]);
    const file = { ...(Object.fromEntries(given) as Weights) };
    setWeights(target, { ...file, ...Object.fromEntries(others.map((name) => [name, HEAD])) });
    const sum = (state: Record<string, tf.Tensor>): number[] =>
      Object.values(state).map((tensor) => tf.sum(tensor).arraySync() as number);
    expect(sum(target.stateDict())).toEqual(sum(module.stateDict()));
    expect(() => setWeights(target, { ...file, [rename("decoder.bias")]: HEAD })).toThrow(/decoder\.bias/);
  });
});
