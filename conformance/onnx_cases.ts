/** The ONNX project's own test cases: folders with a model, and files with its inputs and the outputs they should give. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeTensor } from "../src/onnx/format/decode_tensor.js";
import type { OnnxTensor } from "../src/onnx/format/model.js";
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

/** The arrays in the files `input_0.pb`, `input_1.pb`, … or those of outputs. */
export async function readArrays(dataSet: string, kind: "input" | "output"): Promise<OnnxTensor[]> {
  const files = (await readdir(dataSet)).filter((file) => file.startsWith(`${kind}_`));
  const numberOf = (file: string): number => Number(/\d+/.exec(file)![0]);
  files.sort((a, b) => numberOf(a) - numberOf(b));
  return Promise.all(files.map((file) => readArray(join(dataSet, file))));
}

async function readArray(path: string): Promise<OnnxTensor> {
  const bytes = new Uint8Array(await readFile(path));
  return decodeTensor(new WireReader(bytes, path), { source: path, ownsBytes: true, external: [] });
}
