/** A graph as what an ONNX file holds. */
import type { OnnxModel, OnnxValueInfo } from "../format/model.js";
import { VERSION } from "../../version.js";
import type { ExportGraph } from "./export_graph.js";

/** The first version of the format in which each version of the operators came (https://onnx.ai/onnx/repo-docs/Versioning.html). */
const IR_VERSIONS: readonly (readonly [opset: number, ir: number])[] = [
  [21, 10],
  [19, 9],
  [15, 8],
  [0, 7],
];

/** @param metadata free text by name: `metadata_props` of the file */
export function modelOfGraph(graph: ExportGraph, metadata: Readonly<Record<string, string>> = {}): OnnxModel {
  const describe = (name: string): OnnxValueInfo => ({
    name,
    type: { kind: "tensor", ...graph.values.get(name)! },
    docString: "",
  });
  return {
    irVersion: IR_VERSIONS.find(([opset]) => graph.opset >= opset)![1],
    opsetImports: new Map([["", graph.opset], ...graph.domains]),
    producerName: "kindling",
    producerVersion: VERSION,
    domain: "",
    modelVersion: 0,
    docString: "",
    metadata: { ...metadata },
    functions: [],
    graph: {
      name: "kindling",
      docString: "",
      nodes: graph.nodes,
      inputs: graph.inputs.map(describe),
      outputs: graph.outputs.map(describe),
      valueInfo: [],
      initializers: graph.initializers,
      sparseInitializers: new Map(),
      metadata: {},
    },
  };
}
