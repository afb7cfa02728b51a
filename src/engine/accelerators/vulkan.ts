/** The GPUs that Vulkan sees, which on Linux are those that WebGPU can use. */
import koffi from "koffi";
import { openQuietly } from "../runtime/index.js";

export interface VulkanDevice {
  name: string;
  /** It is a program on the CPU, such as SwiftShader or llvmpipe. */
  software: boolean;
}

/** Values and offsets of vulkan_core.h. */
const STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1;
const SUCCESS = 0;
const PHYSICAL_DEVICE_TYPE_CPU = 4;
const INSTANCE_CREATE_INFO_BYTES = 64;
const PROPERTIES_BYTES = 824;
const TYPE_OFFSET = 16;
const NAME_OFFSET = 20;
const NAME_BYTES = 256;

/** Every device with a driver, or undefined where Vulkan itself is not installed. */
export function vulkanDevices(): VulkanDevice[] | undefined {
  let vulkan;
  try {
    vulkan = koffi.load("libvulkan.so.1");
  } catch {
    return undefined;
  }
  const createInstance = vulkan.func("vkCreateInstance", "int", ["void *", "void *", "void *"]);
  const enumerate = vulkan.func("vkEnumeratePhysicalDevices", "int", ["void *", "void *", "void *"]);
  const getProperties = vulkan.func("vkGetPhysicalDeviceProperties", "void", ["void *", "void *"]);
  const destroyInstance = vulkan.func("vkDestroyInstance", "void", ["void *", "void *"]);

  const info = Buffer.alloc(INSTANCE_CREATE_INFO_BYTES);
  info.writeUInt32LE(STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  const instance = new BigUint64Array(1);
  if (openQuietly(() => createInstance(info, null, instance) as number) !== SUCCESS) return [];
  try {
    const count = new Uint32Array(1);
    if (enumerate(instance[0], count, null) !== SUCCESS) return [];
    const handles = new BigUint64Array(Math.max(count[0]!, 1));
    if (enumerate(instance[0], count, handles) !== SUCCESS) return [];
    return Array.from(handles.subarray(0, count[0]), (handle) => {
      const properties = Buffer.alloc(PROPERTIES_BYTES);
      getProperties(handle, properties);
      const name = properties.toString("utf8", NAME_OFFSET, NAME_OFFSET + NAME_BYTES);
      return {
        name: name.slice(0, name.indexOf("\0")),
        software: properties.readUInt32LE(TYPE_OFFSET) === PHYSICAL_DEVICE_TYPE_CPU,
      };
    });
  } finally {
    destroyInstance(instance[0], null);
  }
}
