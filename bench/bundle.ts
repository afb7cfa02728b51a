/** Makes one JavaScript file of a program and the sources it needs: a process begins sooner with one file than with hundreds. */
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");

/** @returns the file, which lies where Node finds the packages */
export async function bundleProgram(entry: string): Promise<string> {
  const name = basename(entry, ".ts");
  const outfile = join(ROOT, "node_modules", ".cache", "kindling-programs", `${name}.mjs`);
  await build({
    entryPoints: [entry],
    outfile,
    alias: { kindling: join(ROOT, "src", "index.ts") },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
  return outfile;
}
