/** How much memory it takes to write, read and import a model of a gigabyte, in one file and in two. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFresh } from "./process.js";

const MIB = 1024;

interface Peak {
  /** Before the model is touched: the program and its libraries. */
  beforeMb: number;
  peakRssMb: number;
}

/** For each form of the file: how often its size each task has held at most, beside the program itself. */
export function onnxMemory(): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "kindling-memory-"));
  try {
    const measure = (form: string) => {
      const path = join(folder, `${form}.onnx`);
      const run = (...args: string[]) => runFresh<Peak>("onnx_memory_process.ts", args);
      const times = ({ beforeMb, peakRssMb }: Peak) => (peakRssMb - beforeMb) / MIB;
      const write = run("write", path, String(MIB), form);
      const result = {
        modelMb: statSync(path).size / 2 ** 20,
        write: times(write),
        read: times(run("read", path)),
        import: times(run("import", path)),
      };
      rmSync(path);
      return result;
    };
    return Promise.resolve({ models: { inline: measure("inline"), external: measure("external") } });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
