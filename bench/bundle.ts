/** Makes a few JavaScript files of a program and the sources it needs: a process begins sooner with them than with hundreds. */
import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { buildSync } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");
/** Programs that Kindling itself starts, found beside the file that starts them. */
const PARTS = ["serve/predictor_process", "work/work_process"];

const bundled = new Map<string, string>();

/** @returns the file, which lies where Node finds the packages */
export function bundleProgram(entry: string): string {
  let program = bundled.get(entry);
  if (program === undefined) bundled.set(entry, (program = bundle(entry)));
  return program;
}

function bundle(entry: string): string {
  const name = basename(entry, ".ts");
  const folder = relative(ROOT, entry).replaceAll(/\W/g, "_");
  const outdir = join(ROOT, "node_modules", ".cache", "kindling-programs", folder);
  const parts = PARTS.map((part) => [basename(part), join(ROOT, "src", `${part}.ts`)]);
  const { outputFiles } = buildSync({
    entryPoints: { ...Object.fromEntries(parts), [name]: entry },
    outdir,
    alias: { kindling: join(ROOT, "src", "index.ts") },
    bundle: true,
    splitting: true,
    keepNames: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "error",
    write: false,
  });
  mkdirSync(outdir, { recursive: true });
  cpSync(join(ROOT, "src", "serve", "page"), join(outdir, "page"), { recursive: true });
  for (const { path, contents } of outputFiles) replace(path, contents);
  replace(join(outdir, "package.json"), '{ "type": "module" }');
  return join(outdir, `${name}.js`);
}

/** At once, for others may be bundling, or running, the same program. */
function replace(path: string, contents: Uint8Array | string): void {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, contents);
  renameSync(own, path);
}
