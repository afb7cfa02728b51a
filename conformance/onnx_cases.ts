/** The ONNX project's own test cases: folders with a model, and files with its inputs and the outputs they should give. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeTensor } from "../src/onnx/format/decode_tensor.js";
import type { OnnxTensor, OnnxValueType } from "../src/onnx/format/model.js";
import { WireReader } from "../src/onnx/format/wire.js";

/** Where Debian's package libonnx-testdata has them. */
const FOLDER = process.env.ONNX_TEST_DATA ?? "/usr/share/libonnx-testdata/data";

export const GROUPS = ["node", "pytorch-operator", "pytorch-converted", "simple"] as const;

export type Group = (typeof GROUPS)[number];

/** One folder. */
export interface Case {
  group: Group;
  name: string;
  model: string;
  dataSets: string[];
}

/** Why there are no test cases; undefined where they are. */
export const MISSING = existsSync(FOLDER)
  ? undefined
  : `${FOLDER} is not there: install Debian's libonnx-testdata, or set ONNX_TEST_DATA to onnx/backend/test/data`;

/** @param only part of the names of the cases to find; all without it */
export async function findCases(group: Group, only = ""): Promise<Case[]> {
  const folders = (await readdir(join(FOLDER, group))).sort();
  const wanted = folders.filter((name) => name.includes(only));
  return Promise.all(
    wanted.map(async (name) => {
      const folder = join(FOLDER, group, name);
      const dataSets = (await readdir(folder)).filter((file) => file.startsWith("test_data_set_"));
      return {
        group,
        name,
        model: join(folder, "model.onnx"),
        dataSets: dataSets.sort().map((set) => join(folder, set)),
      };
    }),
  );
}

/** An array, a list of them, or undefined for an optional one that is not there. */
export type TestValue = OnnxTensor | TestValue[] | undefined;

/** What the files `input_0.pb`, `input_1.pb`, … hold, or those of outputs, which have these types. */
export async function readValues(
  dataSet: string,
  kind: "input" | "output",
  types: readonly OnnxValueType[],
): Promise<TestValue[]> {
  const files = (await readdir(dataSet)).filter((file) => file.startsWith(`${kind}_`));
  const numberOf = (file: string): number => Number(/\d+/.exec(file)![0]);
  files.sort((a, b) => numberOf(a) - numberOf(b));
  return Promise.all(
    files.map(async (file, i) => {
      const path = join(dataSet, file);
      const reader = new WireReader(new Uint8Array(await readFile(path)), path);
      return decodeValue(reader, types[i], path);
    }),
  );
}

/** Reads `TensorProto`, `SequenceProto` or `OptionalProto`, by their field numbers in onnx-data.proto. */
function decodeValue(reader: WireReader, type: OnnxValueType | undefined, path: string): TestValue {
  if (type?.kind !== "sequence" && type?.kind !== "optional") {
    return decodeTensor(reader, { source: path, ownsBytes: true, external: [] });
  }
  const isOptional = type.kind === "optional";
  const values: TestValue[] = [];
  reader.fields((field) => {
    if (field === 3) values.push(reader.message(() => decodeValue(reader, undefined, path)));
    else if (field === 5) values.push(reader.message(() => decodeValue(reader, type.element, path)));
  });
  return isOptional ? values[0] : values;
}
