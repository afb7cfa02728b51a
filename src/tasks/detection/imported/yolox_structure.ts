/** Recognises a YOLOX-style detector by its nodes, whichever way it was exported. */
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../../onnx/index.js";

/** What of a file is the detector. */
export interface YoloxStructure {
  /** [height, width] of the pictures that the file was exported for, where it says so. */
  inputSize: readonly [number, number] | undefined;
  /** In the order of the nodes. */
  classConvolutions: readonly ClassConvolution[];
  /** Boxes and objectness that belong together, in the order of the nodes. */
  places: readonly { boxes: string; objectness: string }[];
  numClasses: number;
}

/** The convolution that gives the classes' logits of one map. */
export interface ClassConvolution {
  node: OnnxNode;
  /** What it takes in. */
  features: string;
  /** Its initializers. */
  weight: OnnxTensor;
  bias: OnnxTensor | undefined;
}

interface LastConvolution {
  node: OnnxNode;
  weight: OnnxTensor;
}

const BOX_CHANNELS = 4;

/**
 * YOLOX (Ge et al., 2021, arXiv:2107.08430) ends in three convolutions for each map: four numbers of a box and one of there
 * being a thing, both from the same features, and the classes from features of their own. What an exporter put behind them
 * (sigmoids, joining the maps, decoding the boxes) does not matter.
 *
 * @returns what was found, or in words why the file is none
 */
export function findYolox(model: OnnxModel): YoloxStructure | string {
  const { graph } = model;
  const pictures = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  if (pictures.length !== 1) return `it has ${pictures.length} inputs, not one`;
  const last = lastConvolutions(model);
  const isPair = (a: LastConvolution, b: LastConvolution): boolean =>
    a.node.inputs[0] === b.node.inputs[0] && channelsOf(a) === BOX_CHANNELS && channelsOf(b) === 1;
  const places = last.flatMap((boxes) => {
    const objectness = last.find((other) => isPair(boxes, other));
    return objectness === undefined ? [] : [{ boxes, objectness }];
  });
  const paired = new Set(places.flatMap(({ boxes, objectness }) => [boxes, objectness]));
  const classes = last.filter((convolution) => !paired.has(convolution));
  const counts = new Set(classes.map(channelsOf));
  if (places.length === 0 || classes.length !== places.length || counts.size !== 1) {
    const channels = last.map(channelsOf).join(", ") || "none";
    return `its last convolutions have ${channels} channels, where for each map 4 and 1 on the same features and those of the classes are expected`;
  }
  if (classes.some(({ weight: { shape } }) => shape[2] !== 1 || shape[3] !== 1))
    return "the convolutions of its classes are wider than one place";
  if ([...graph.initializers.values()].some(({ type }) => type === "float16" || type === "bfloat16"))
    return "its weights are no float32 numbers";
  return {
    inputSize: sizeOf(pictures[0]!.type),
    classConvolutions: classes.map(({ node, weight }) => ({
      node,
      features: node.inputs[0]!,
      weight,
      bias: graph.initializers.get(node.inputs[2] ?? ""),
    })),
    places: places.map(({ boxes, objectness }) => ({
      boxes: boxes.node.outputs[0]!,
      objectness: objectness.node.outputs[0]!,
    })),
    numClasses: [...counts][0]!,
  };
}

/** The convolutions that no other convolution follows. */
function lastConvolutions({ graph }: OnnxModel): LastConvolution[] {
  const followed = new Set<string>();
  const found: LastConvolution[] = [];
  for (const node of graph.nodes.toReversed()) {
    const isFollowed = node.outputs.some((output) => followed.has(output));
    const weight = graph.initializers.get(node.inputs[1] ?? "");
    const isConvolution = node.operator === "Conv" && weight?.shape.length === 4;
    if (isConvolution && !isFollowed) found.push({ node, weight });
    if (isConvolution || isFollowed) for (const input of node.inputs) followed.add(input);
  }
  return found.reverse();
}

function channelsOf({ weight }: LastConvolution): number {
  return weight.shape[0]!;
}

function sizeOf(type: OnnxModel["graph"]["inputs"][number]["type"]): readonly [number, number] | undefined {
  if (type.kind !== "tensor" || type.shape?.length !== 4) return undefined;
  const [, , height, width] = type.shape;
  return typeof height === "number" && typeof width === "number" ? [height, width] : undefined;
}
