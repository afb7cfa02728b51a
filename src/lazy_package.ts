/** Packages that take long to load and that many programs never need. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** @returns a function that loads the package when it is first called, and gives it */
export function lazyPackage<Package>(name: string): () => Package {
  return () => require(name) as Package;
}
