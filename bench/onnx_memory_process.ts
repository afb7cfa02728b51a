/** `onnx_memory_process.ts write PATH MIB inline|external`, or `read PATH`, or `import PATH`: prints what this process has held at most. */
import { OnnxModule, readOnnx, writeOnnx, type OnnxModel, type OnnxNode } from "kindling";
import { peakRssMb } from "./process.js";

const LAYERS = 16;

const [task, path, size, place] = process.argv.slice(2) as [string, string, string, string];
const before = peakRssMb();
if (task === "write") await writeOnnx(path, chain(Number(size)), { externalData: place === "external" });
else {
  const model = await readOnnx(path);
  if (task === "import") new OnnxModule(model).eval();
}
console.log(JSON.stringify({ beforeMb: before, peakRssMb: peakRssMb() }));

/** Matrix products one after the other, with names of odd lengths so that the file aligns nothing. */
function chain(mib: number): OnnxModel {
  const width = 1024;
  const rows = (mib * 2 ** 20) / LAYERS / width / Float32Array.BYTES_PER_ELEMENT;
  const { graph, ...model } = empty();
  for (let i = 0; i < LAYERS; i++) {
    const name = `${"w".repeat(1 + (i % 4))}${i}`;
    const shape = i % 2 === 0 ? [width, rows] : [rows, width];
    const data = new Float32Array(rows * width).fill(0.5);
    graph.initializers.set(name, { name, type: "float32", shape, data, docString: "" });
    graph.nodes.push(product(`x${i}`, name, `x${i + 1}`));
  }
  graph.outputs[0]!.name = `x${LAYERS}`;
  return { graph, ...model };
}

function product(input: string, weight: string, output: string): OnnxNode {
  return {
    name: output,
    operator: "MatMul",
    domain: "",
    overload: "",
    inputs: [input, weight],
    outputs: [output],
    attributes: new Map(),
    docString: "",
    metadata: {},
  };
}

function empty(): OnnxModel {
  const info = (name: string) => ({
    name,
    type: { kind: "tensor" as const, type: "float32" as const, shape: [undefined, 1024] },
    docString: "",
  });
  return {
    irVersion: 8,
    opsetImports: new Map([["", 17]]),
    producerName: "bench",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    metadata: {},
    functions: [],
    graph: {
      name: "chain",
      docString: "",
      nodes: [],
      inputs: [info("x0")],
      outputs: [info("")],
      valueInfo: [],
      initializers: new Map(),
      sparseInitializers: new Map(),
      metadata: {},
    },
  };
}
