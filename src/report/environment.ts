/** What a run is computed with, as far as it bears on its results. */
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os";
import { VERSION } from "../version.js";

/** Versions and the machine. */
export function describeEnvironment(): Record<string, string | number> {
  const require = createRequire(import.meta.url);
  const versionOf = (name: string) => (require(`${name}/package.json`) as { version: string }).version;
  return {
    kindling: VERSION,
    node: process.version,
    onnxruntime: versionOf("onnxruntime-node"),
    tensorflowjs: versionOf("@tensorflow/tfjs-core"),
    platform: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}
