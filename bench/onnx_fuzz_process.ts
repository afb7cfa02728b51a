/**
 * Reads, imports and runs damaged ONNX files, one after the other: `onnx_fuzz_process.ts FIRST COUNT`. Prints the number of
 * each before it begins and what came of it after, so that whoever started this knows which one ended it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { globSync } from "tinyglobby";
import {
  Generator,
  KindlingError,
  OnnxModule,
  readOnnx,
  tf,
  type OnnxModel,
  type OnnxValueInfo,
} from "kindling";
import { mutate } from "./onnx_mutations.js";

/** Lengths that a file leaves open, and the most elements of an input: what it costs to run a whole model is not the question. */
const [OPEN_LENGTH, MAX_ELEMENTS] = [4, 2 ** 16];

const [first, count] = process.argv.slice(2).map(Number) as [number, number];
const folder = join(import.meta.dirname, "../tests/golden/onnx");
const seeds: { bytes: Uint8Array; model: OnnxModel }[] = [];
for (const name of globSync("*.onnx", { cwd: folder }).sort()) {
  const path = join(folder, name);
  seeds.push({ bytes: readFileSync(path), model: await readOnnx(path) });
}
for (let i = first; i < first + count; i++) {
  console.log(`${i} begins`);
  const generator = new Generator(i);
  const { bytes, model } = seeds[generator.integer(seeds.length)]!;
  const outcome = await tryFile(mutate(bytes, model, generator));
  console.log(`${i} ${outcome} ${Math.round(process.resourceUsage().maxRSS / 1024)}`);
}

/** `accepted` where it runs, `rejected` for an error of ours; anything else is a defect of ours, and told. */
async function tryFile(bytes: Uint8Array): Promise<string> {
  try {
    const module = new OnnxModule(await readOnnx(bytes)).eval();
    tf.tidy(() => {
      const inputs = module.inputs.map((info) => [info.name, sample(info)] as const);
      for (const output of Object.values(module.forward(Object.fromEntries(inputs)))) output.dataSync();
    });
    module.dispose();
    return "accepted";
  } catch (error) {
    if (error instanceof KindlingError) return "rejected";
    return `unexpected:${JSON.stringify((error as Error).stack ?? String(error))}`;
  }
}

function sample({ type }: OnnxValueInfo): tf.Tensor {
  if (type.kind !== "tensor") return tf.zeros([OPEN_LENGTH]);
  const lengths = (type.shape ?? [OPEN_LENGTH]).map((length) =>
    typeof length === "number" ? length : OPEN_LENGTH,
  );
  const isHuge = lengths.reduce((product, length) => product * length, 1) > MAX_ELEMENTS;
  const shape = isHuge ? lengths.map(() => OPEN_LENGTH) : lengths;
  const dtype = type.type.startsWith("float") ? "float32" : type.type === "bool" ? "bool" : "int32";
  return tf.ones(shape, dtype);
}
