/** Bundles TF.js-core's tests with a backend, so that both stand on one instance of TF.js-core. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = new URL("../", import.meta.url);

/** The backends that the tests run on. */
export const BACKENDS = ["cpu", "onnxruntime"] as const;

export type Backend = (typeof BACKENDS)[number];

/** Writes one program for each backend and gives their paths. They lie where Node finds the packages left out of them. */
export async function bundleSuites(): Promise<Record<Backend, string>> {
  const folder = new URL("node_modules/.cache/kindling-conformance/", root);
  await build({
    entryPoints: BACKENDS.map((backend) => fileURLToPath(new URL(`conformance/suite_${backend}.ts`, root))),
    outdir: fileURLToPath(folder),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // TF.js-core calls its tests free of side effects, and esbuild would drop every one of them.
    ignoreAnnotations: true,
    platform: "node",
    format: "esm",
    mainFields: ["module", "main"],
    external: ["jasmine-core", "onnxruntime-node", "koffi"],
    banner: {
      js: 'import { createRequire as createSuiteRequire } from "node:module"; globalThis.require = createSuiteRequire(import.meta.url);',
    },
    logLevel: "error",
  });
  const pathOf = (backend: Backend): string => fileURLToPath(new URL(`suite_${backend}.mjs`, folder));
  return { cpu: pathOf("cpu"), onnxruntime: pathOf("onnxruntime") };
}
