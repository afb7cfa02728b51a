/** Writes ONNX models of a few nodes, with its own writer, for the tests of what reads models. */
import { PbfWriter } from "pbf";

export interface SmallModel {
  /** Operator, inputs, outputs, and integer attributes. */
  nodes: [operator: string, inputs: string[], outputs: string[], attributes?: Record<string, number>][];
  /** ONNX element type and dimensions; a name is a dimension that is not known beforehand. */
  inputs: Record<string, [type: number, dimensions: (number | string)[]]>;
  outputs: Record<string, [type: number, dimensions: (number | string)[]]>;
  /** Elements of float32, in the order of their rows. */
  initializers?: Record<string, ArrayLike<number>>;
  /** Dimensions of those initializers that are no vectors. */
  shapes?: Record<string, number[]>;
}

/** The bytes of a model of opset 20. */
export function smallModel({
  nodes,
  inputs,
  outputs,
  initializers = {},
  shapes = {},
}: SmallModel): Uint8Array {
  const model = new PbfWriter();
  model.writeVarintField(1, 9);
  model.writeMessage(
    7,
    (_, graph) => {
      for (const node of nodes) graph.writeMessage(1, writeNode, node);
      graph.writeStringField(2, "small");
      for (const name in initializers) {
        graph.writeMessage(
          5,
          (values, tensor) => {
            for (const length of shapes[name] ?? [values.length]) tensor.writeVarintField(1, length);
            tensor.writeVarintField(2, 1);
            tensor.writeStringField(8, name);
            tensor.writeBytesField(9, new Uint8Array(Float32Array.from(values).buffer));
          },
          initializers[name]!,
        );
      }
      for (const name in inputs) graph.writeMessage(11, writeValueInfo, { name, value: inputs[name]! });
      for (const name in outputs) graph.writeMessage(12, writeValueInfo, { name, value: outputs[name]! });
    },
    null,
  );
  model.writeMessage(8, (_, opset) => opset.writeVarintField(2, 20), null);
  return model.finish();
}

function writeNode(
  [operator, inputs, outputs, attributes = {}]: SmallModel["nodes"][number],
  node: PbfWriter,
): void {
  for (const input of inputs) node.writeStringField(1, input);
  for (const output of outputs) node.writeStringField(2, output);
  node.writeStringField(4, operator);
  for (const name in attributes) {
    node.writeMessage(
      5,
      (value, attribute) => {
        attribute.writeStringField(1, name);
        attribute.writeVarintField(3, value);
        attribute.writeVarintField(20, 2);
      },
      attributes[name]!,
    );
  }
}

function writeValueInfo(
  { name, value: [type, dimensions] }: { name: string; value: [number, (number | string)[]] },
  info: PbfWriter,
): void {
  info.writeStringField(1, name);
  info.writeMessage(
    2,
    (_, valueType) => {
      valueType.writeMessage(
        1,
        (_, tensor) => {
          tensor.writeVarintField(1, type);
          tensor.writeMessage(
            2,
            (_, shape) => {
              for (const dimension of dimensions) {
                shape.writeMessage(
                  1,
                  (length, message) => {
                    if (typeof length === "number") message.writeVarintField(1, length);
                    else message.writeStringField(2, length);
                  },
                  dimension,
                );
              }
            },
            null,
          );
        },
        null,
      );
    },
    null,
  );
}
