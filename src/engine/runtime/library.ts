/** Finds ONNX Runtime's shared library inside the package `onnxruntime-node` and loads it, with its telemetry off. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import koffi, { type LibraryHandle } from "koffi";
import { EngineError } from "../../errors.js";

const FILE_NAMES: Partial<Record<NodeJS.Platform, string>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};

/** The folder with the shared libraries of this platform. */
export function libraryFolder(): string {
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  return join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch);
}

/** Where this platform's library would be; undefined for a platform that has none. */
export function libraryPath(): string | undefined {
  const fileName = FILE_NAMES[process.platform];
  return fileName === undefined ? undefined : join(libraryFolder(), fileName);
}

/**
 * @returns the loaded library. Whoever takes a function from it must keep it: it is closed once nobody refers to it.
 * @throws EngineError `ERR_ENGINE_PLATFORM` where the package brings no library for this platform
 */
export function loadLibrary(): LibraryHandle {
  const path = libraryPath();
  if (path === undefined || !existsSync(path)) {
    throw new EngineError(
      "ERR_ENGINE_PLATFORM",
      `The package onnxruntime-node brings no ONNX Runtime for ${process.platform} on ${process.arch}` +
        (path === undefined ? "." : `: there is no ${path}.`) +
        " It has libraries for linux and win32 on x64 and arm64, and for darwin on arm64.",
    );
  }
  disableTelemetry();
  try {
    pin(path);
    return koffi.load(path);
  } catch (error) {
    throw new EngineError(
      "ERR_ENGINE_PLATFORM",
      `ONNX Runtime could not be loaded from ${path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** A library must not phone home. ONNX Runtime reads this once, when its first environment is made. */
function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  if (isMainThread) return;
  // In a worker `process.env` is a copy, which native code does not see.
  if (process.platform === "win32") {
    const set = koffi.load("kernel32.dll").func("SetEnvironmentVariableW", "bool", ["str16", "str16"]);
    set("ORT_DISABLE_TELEMETRY", "1");
    koffi.load("ucrtbase.dll").func("_putenv_s", "int", ["str", "str"])("ORT_DISABLE_TELEMETRY", "1");
  } else {
    koffi.load(null).func("setenv", "int", ["str", "str", "int"])("ORT_DISABLE_TELEMETRY", "1", 1);
  }
}

/**
 * Keeps the library in memory to the end of the process. A worker thread that ends closes what it has loaded, and ONNX
 * Runtime's own threads would go on in code that is no longer there.
 */
function pin(path: string): void {
  if (process.platform === "win32") {
    koffi.load("kernel32.dll").func("LoadLibraryExW", "void *", ["str16", "void *", "uint32"])(path, null, 8);
  } else {
    const RTLD_LAZY = 1;
    koffi.load(null).func("dlopen", "void *", ["str", "int"])(path, RTLD_LAZY);
  }
}
