/** Points Vulkan at SwiftShader, the software driver in Debian's package `chromium`, so that WebGPU runs without a GPU. */
import { existsSync } from "node:fs";
import koffi from "koffi";

const DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Why there is no software GPU here, or undefined where Vulkan will find it from now on. */
export function useSoftwareGpu(): string | undefined {
  if (!existsSync(DRIVER)) return `${DRIVER} is missing: apt-get install libvulkan1 chromium`;
  try {
    koffi.load("libvulkan.so.1");
  } catch {
    return "libvulkan.so.1 is missing: apt-get install libvulkan1 chromium";
  }
  process.env.VK_ICD_FILENAMES = DRIVER;
  return undefined;
}
