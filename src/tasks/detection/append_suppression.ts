/** From what a detector says of all places to the boxes that it finds, as nodes at the end of an ONNX graph. */
import { addInitializer, appendNode, type ExportGraph, type OnnxType } from "../../onnx/index.js";
import { MOST_CANDIDATES, type DetectionOptions } from "./decode_detections.js";

/** The outputs that a graph gets, in their order. */
export const DETECTION_OUTPUTS = ["num_detections", "boxes", "scores", "class_ids"] as const;

interface Suppression extends Required<DetectionOptions> {
  places: number;
  numClasses: number;
}

/**
 * Replaces the outputs `scores` [batch, places, classes] and `boxes` [batch, places, 4] of a graph by those that a reader wants,
 * filled up to one length: `num_detections` int64 [batch]; `boxes` [batch, most, 4]; `scores` [batch, most], best first; and
 * `class_ids` int64 [batch, most]. The same as `selectDetections`: the best candidates of all classes, and among them the
 * suppression class by class.
 */
export function appendSuppression(graph: ExportGraph, options: Suppression): void {
  const { threshold, iou, maxDetections, places, numClasses } = options;
  const taken = Math.min(MOST_CANDIDATES, places * numClasses);
  const most = Math.min(maxDetections, taken);
  const [allScores, allBoxes] = ["scores", "boxes"].map((name) => renameOutput(graph, name)) as [
    string,
    string,
  ];
  const integers = (name: string, values: readonly number[], shape = [values.length]): string =>
    addInitializer(graph, name, "int64", shape, BigInt64Array.from(values, BigInt));
  const number = (name: string, value: number): string =>
    addInitializer(graph, name, "float32", [1], Float32Array.of(value));
  const add = (
    operator: string,
    inputs: readonly string[],
    [type, ...shape]: [OnnxType, ...(number | string | undefined)[]],
    attributes: Parameters<typeof appendNode>[4] = {},
    name?: string,
  ): string => appendNode(graph, operator, inputs, { type, shape, ...(name && { name }) }, attributes);
  const batch = "batch";

  const flat = add("Reshape", [allScores, integers("flat_shape", [0, -1])], ["float32", batch, undefined]);
  const [best, at] = topK(graph, flat, taken);
  const perPlace = integers("classes_per_place", [numClasses]);
  const place = add("Div", [at, perPlace], ["int64", batch, taken]);
  const classOf = add("Mod", [at, perPlace], ["int64", batch, taken]);
  const candidates = gatherRows(graph, allBoxes, place, taken);

  // A candidate's score stands in the row of its class alone, so that it suppresses no other class's.
  const everyClass = integers("every_class", [...Array(numClasses).keys()], [1, numClasses, 1]);
  const axis = integers("axis_1", [1]);
  const rows = add("Unsqueeze", [classOf, axis], ["int64", batch, 1, taken]);
  const isClass = add("Equal", [rows, everyClass], ["bool", batch, numClasses, taken]);
  const mask = add("Cast", [isClass], ["float32", batch, numClasses, taken], { to: FLOAT });
  const scoreRows = add("Unsqueeze", [best, axis], ["float32", batch, 1, taken]);
  const scores = add("Mul", [mask, scoreRows], ["float32", batch, numClasses, taken]);
  const selected = add(
    "NonMaxSuppression",
    [
      candidates,
      scores,
      integers("most_of_class", [most]),
      number("iou_threshold", iou),
      number("score_threshold", justBelow(threshold)),
    ],
    ["int64", undefined, 3],
  );

  // What stays keeps its score among the candidates, and the best of that are the detections.
  const where = add(
    "Gather",
    [selected, integers("picture_and_candidate", [0, 2])],
    ["int64", undefined, 2],
    {
      axis: 1,
    },
  );
  const shape = add("Shape", [best], ["int64", 2]);
  const nothing = add("ConstantOfShape", [shape], ["float32", batch, taken]);
  const keptScores = add("GatherND", [best, where], ["float32", undefined]);
  const kept = add("ScatterND", [nothing, where, keptScores], ["float32", batch, taken]);
  const [found, position] = topK(graph, kept, most, "scores");
  const isFound = add("Greater", [found, number("zero", 0)], ["bool", batch, most]);
  const foundClasses = add("GatherElements", [classOf, position], ["int64", batch, most], { axis: 1 });
  const foundBoxes = gatherRows(graph, candidates, position, most);
  const counted = add("Cast", [isFound], ["int64", batch, most], { to: INT64 });
  const boxMask = add("Unsqueeze", [isFound, integers("axis_2", [2])], ["bool", batch, most, 1]);
  const outputs: Record<(typeof DETECTION_OUTPUTS)[number], string> = {
    num_detections: add("ReduceSum", [counted, axis], ["int64", batch], { keepdims: 0 }, "num_detections"),
    boxes: add("Where", [boxMask, foundBoxes, number("no_box", 0)], ["float32", batch, most, 4], {}, "boxes"),
    scores: found,
    class_ids: add(
      "Where",
      [isFound, foundClasses, integers("no_class", [-1])],
      ["int64", batch, most],
      {},
      "class_ids",
    ),
  };
  graph.outputs = DETECTION_OUTPUTS.map((name) => outputs[name]);
}

/** The numbers of ONNX's types. */
const [FLOAT, INT64] = [1, 7];

/** ONNX counts scores above a threshold, `selectDetections` from it on: the largest float32 below it. */
function justBelow(threshold: number): number {
  const value = Float32Array.of(threshold);
  if (value[0]! >= threshold && threshold > 0) new Int32Array(value.buffer)[0]!--;
  return value[0]!;
}

/** Frees the name of an output. @returns the name that it has now */
function renameOutput(graph: ExportGraph, name: string): string {
  const inner = `all_${name}`;
  graph.values.set(inner, graph.values.get(name)!);
  graph.values.delete(name);
  for (const node of graph.nodes) {
    node.inputs.forEach((input, i) => input === name && (node.inputs[i] = inner));
    node.outputs.forEach((output, i) => output === name && (node.outputs[i] = inner));
  }
  return inner;
}

/** The largest of each row, largest first, and where they stand. */
function topK(graph: ExportGraph, values: string, count: number, name = "topk"): [string, string] {
  const k = addInitializer(graph, "k", "int64", [1], BigInt64Array.of(BigInt(count)));
  const top = appendNode(graph, "TopK", [values, k], { name, type: "float32", shape: ["batch", count] });
  const node = graph.nodes.at(-1)!;
  const places = `${top}_places`;
  node.outputs.push(places);
  graph.values.set(places, { type: "int64", shape: ["batch", count] });
  return [top, places];
}

/** Of each picture's boxes those with these numbers. */
function gatherRows(graph: ExportGraph, boxes: string, rows: string, count: number): string {
  const axis = addInitializer(graph, "last_axis", "int64", [1], BigInt64Array.of(2n));
  const indices = appendNode(graph, "Unsqueeze", [rows, axis], { type: "int64", shape: ["batch", count, 1] });
  const value = { type: "float32", shape: ["batch", count, 4] } as const;
  return appendNode(
    graph,
    "GatherND",
    [boxes, indices],
    { ...value, shape: [...value.shape] },
    { batch_dims: 1 },
  );
}
