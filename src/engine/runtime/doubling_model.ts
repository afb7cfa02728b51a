/** The smallest model: for whether a device computes at all, and where something runs for the sake of the run. */
import { PbfWriter } from "pbf";
import { onnxType, type ElementType } from "./element_type.js";

/** y = x + x over a vector of two, as an ONNX model. */
export function doublingModel(type: ElementType): Uint8Array {
  const model = new PbfWriter();
  model.writeVarintField(1, 9);
  model.writeMessage(7, writeDoubling, onnxType(type));
  model.writeMessage(8, (_, opset) => opset.writeVarintField(2, 20), null);
  return model.finish();
}

function writeDoubling(type: number, graph: PbfWriter): void {
  graph.writeMessage(
    1,
    (_, node) => {
      node.writeStringField(1, "x");
      node.writeStringField(1, "x");
      node.writeStringField(2, "y");
      node.writeStringField(4, "Add");
    },
    null,
  );
  graph.writeStringField(2, "doubling");
  graph.writeMessage(11, writeVector, { name: "x", type });
  graph.writeMessage(12, writeVector, { name: "y", type });
}

function writeVector({ name, type }: { name: string; type: number }, info: PbfWriter): void {
  info.writeStringField(1, name);
  const dimension = (_: null, message: PbfWriter): void => message.writeVarintField(1, 2);
  const shape = (_: null, message: PbfWriter): void => message.writeMessage(1, dimension, null);
  const tensor = (_: null, message: PbfWriter): void => {
    message.writeVarintField(1, type);
    message.writeMessage(2, shape, null);
  };
  info.writeMessage(2, (_, valueType) => valueType.writeMessage(1, tensor, null), null);
}
