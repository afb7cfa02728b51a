/**
 * The weights of MobileNets and EfficientNets as timm writes them (https://github.com/huggingface/pytorch-image-models),
 * under torchvision's names.
 */
import { HostTensor } from "../host_tensor.js";
import { mapValues, type Weights } from "./weights.js";

/** Where torchvision has the parts of timm's blocks. */
export interface MobileNaming {
  /** The container of a block's layers, such as `features.3.block`. @param position among all blocks, from 0 */
  block(stage: number, index: number, position: number): string;
  /** Whether a block's last convolution and its norm lie in a container of their own. */
  nestedProjection: boolean;
  /** The container of the last convolution, such as `features.18`. */
  head: string;
}

/** Whether a file is timm's. */
export function isTimmMobile(weights: Weights): boolean {
  return weights["conv_stem.weight"] !== undefined;
}

/** Every name that is timm's as torchvision's; the classifier keeps its own. */
export function fromTimmMobile(weights: Weights, naming: MobileNaming): Weights {
  const names = Object.keys(weights);
  const blocks = [...new Set(names.flatMap((name) => /^blocks\.\d+\.\d+\./.exec(name)?.[0] ?? []))]
    .map((prefix) => ({ prefix, place: prefix.split(".").slice(1, 3).map(Number) as [number, number] }))
    .sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
  const renamed = new Map<string, string>([
    ["conv_stem", "features.0.0"],
    ["bn1", "features.0.1"],
    ["conv_head", `${naming.head}.0`],
    ["bn2", `${naming.head}.1`],
  ]);
  blocks.forEach(({ prefix, place }, position) => {
    const has = (layer: string): boolean => weights[`${prefix}${layer}.weight`] !== undefined;
    const set = (layer: string, name: string): unknown => renamed.set(prefix + layer, name);
    if (has("conv")) {
      set("conv", `${naming.head}.0`);
      set("bn1", `${naming.head}.1`);
      return;
    }
    const block = naming.block(...place, position);
    const expands = has("conv_pwl");
    const before = expands ? ["conv_pw", "conv_dw"] : ["conv_dw"];
    before.forEach((layer, i) => {
      set(layer, `${block}.${i}.0`);
      set(`bn${i + 1}`, `${block}.${i}.1`);
    });
    const squeezes = has("se.conv_reduce");
    set("se.conv_reduce", `${block}.${before.length}.fc1`);
    set("se.conv_expand", `${block}.${before.length}.fc2`);
    const last = before.length + (squeezes ? 1 : 0);
    const [convolution, norm] = naming.nestedProjection
      ? [`${last}.0`, `${last}.1`]
      : [String(last), String(last + 1)];
    set(expands ? "conv_pwl" : "conv_pw", `${block}.${convolution}`);
    set(`bn${before.length + 1}`, `${block}.${norm}`);
  });
  return Object.fromEntries(
    Object.entries(weights).map(([name, tensor]) => {
      const dot = name.lastIndexOf(".");
      return [(renamed.get(name.slice(0, dot)) ?? name.slice(0, dot)) + name.slice(dot), tensor];
    }),
  );
}

/**
 * Running variances such that a batch norm that adds `to` to them normalises in evaluation as one did that added `from`.
 * They may fall below 0, by less than `to`.
 */
export function withOtherEps(weights: Weights, from: number, to: number): Weights {
  const shift = from - to;
  return mapValues(weights, (tensor, name) => {
    if (!name.endsWith(".running_var")) return tensor;
    return new HostTensor(
      (tensor.data as Float32Array).map((variance) => variance + shift),
      tensor.shape,
    );
  });
}
