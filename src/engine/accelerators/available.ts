/** Which accelerators this machine has, found out by computing something on each. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { Device, libraryFolder, type DeviceSettings, type Provider } from "../runtime/index.js";
import { vulkanDevices } from "./vulkan.js";

export const ACCELERATORS = ["cuda", "webgpu", "directml", "coreml", "tensorflow", "cpu"] as const;
/** Where the engine can compute. */
export type Accelerator = (typeof ACCELERATORS)[number];

/** An accelerator, whether it works here, and if not why and how to get it. */
export interface AcceleratorInfo {
  name: Accelerator;
  available: boolean;
  /** What was found, or what is missing and how to get it. */
  reason: string;
  /** The name of the device, where it is known. */
  device?: string;
  /** A GPU that is a program on the CPU: right, and far slower than the CPU itself. */
  software?: boolean;
}

/** What is known about a provider without opening it. */
interface Precheck {
  missing?: string;
  device?: string;
  software?: boolean;
}

/** Every accelerator, the best for training first. Opening a GPU takes up to a second, once in a process. */
export async function availableAccelerators(): Promise<AcceleratorInfo[]> {
  return ACCELERATORS.map((name) => probe(name));
}

/** Tries one accelerator, with the given settings of the device. */
export function probe(name: Accelerator, settings: Omit<DeviceSettings, "provider"> = {}): AcceleratorInfo {
  if (name === "cpu") {
    const device = cpus()[0]?.model;
    const reason = `ONNX Runtime's kernels on ${availableParallelism()} threads.`;
    return { name, available: true, reason, ...(device === undefined ? {} : { device }) };
  }
  if (name === "tensorflow") {
    const installed = installedTensorFlow();
    return installed === undefined
      ? { name, available: false, reason: HOW_TO_GET_TENSORFLOW }
      : { name, available: true, reason: `${installed} is installed.` };
  }
  const { missing, ...found } = precheck(name);
  if (missing !== undefined) return { name, available: false, reason: missing };
  try {
    Device.open({ provider: name, ...settings });
  } catch (error) {
    return { name, available: false, reason: (error as Error).message, ...found };
  }
  const kind = found.software === true ? "a GPU in software" : "a device";
  return { name, available: true, reason: `ONNX Runtime computes on ${kind} through ${name}.`, ...found };
}

const HOW_TO_GET_TENSORFLOW =
  "Neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed. " +
  "npm install one of them; the first needs an NVIDIA GPU with CUDA 11.2.";

/** The package that brings TensorFlow, if one is installed. */
export function installedTensorFlow(): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  return ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"].find((name) => {
    try {
      resolve(`${name}/package.json`);
      return true;
    } catch {
      return false;
    }
  });
}

/** What is missing for a provider, or which device it would use. */
export function precheck(provider: Provider): Precheck {
  return PRECHECKS[provider]();
}

const PRECHECKS: Record<Provider, () => Precheck> = {
  webgpu() {
    if (process.platform !== "linux") return {};
    const devices = vulkanDevices();
    if (devices === undefined) {
      return { missing: "libvulkan.so.1 is missing. Install it (Debian: apt-get install libvulkan1)." };
    }
    const device = devices.find(({ software }) => !software) ?? devices[0];
    if (device === undefined) {
      return {
        missing:
          "Vulkan has no driver for a GPU. Install the GPU's (Debian: apt-get install mesa-vulkan-drivers, or NVIDIA's driver), " +
          "and in a container make the GPU visible.",
      };
    }
    return { device: device.name, software: device.software };
  },
  cuda() {
    const file =
      process.platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
    if (existsSync(join(libraryFolder(), file))) return {};
    return {
      missing:
        `${file} is not installed. It exists for linux on x64: npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12 ` +
        "downloads it, and it needs NVIDIA's driver, CUDA 12 and cuDNN 9.",
    };
  },
  directml: () => (process.platform === "win32" ? {} : { missing: "DirectML is part of Windows." }),
  coreml: () => (process.platform === "darwin" ? {} : { missing: "Core ML is part of macOS." }),
};
