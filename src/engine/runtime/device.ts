/** An accelerator that is open: sessions compute on it, and arrays stay on it between runs. */
import { EngineError } from "../../errors.js";
import type { Pointer } from "./api.js";
import { doublingModel } from "./doubling_model.js";
import type { ElementType } from "./element_type.js";
import type { DeviceSettings, Provider } from "./providers.js";
import { openQuietly } from "./quiet_vulkan.js";
import { Session } from "./session.js";
import { OrtArray } from "./tensor.js";

/** How each provider calls its memory, where arrays can stay in it. */
const MEMORY_NAMES: Partial<Record<Provider, string>> = {
  webgpu: "WebGPU_Buffer",
  cuda: "Cuda",
  directml: "DML",
};

const opened = new Map<string, Device>();

export class Device {
  readonly name: Provider;
  readonly settings: DeviceSettings;
  /** Makes arrays on the device. Undefined where the provider keeps its memory to itself. */
  readonly #allocator: Pointer | undefined;
  /** Keeps the device open: its memory belongs to sessions. */
  readonly #keeper: Session;

  private constructor(settings: DeviceSettings) {
    this.name = settings.provider;
    this.settings = settings;
    this.#keeper = new Session(doublingModel("float32"), { device: this });
    this.#allocator = this.#keeper.createAllocator(MEMORY_NAMES[this.name], settings.deviceId ?? 0);
    this.#tryOut();
  }

  /**
   * Opens a device, or returns the one that was opened with the same settings, and computes something on it.
   * @throws EngineError `ERR_ENGINE_DEVICE` with ONNX Runtime's reason where that does not work
   */
  static open(settings: DeviceSettings): Device {
    const key = JSON.stringify([settings.provider, settings.deviceId, settings.memoryLimitMb]);
    let device = opened.get(key);
    if (device === undefined) {
      try {
        device = openQuietly(() => new Device(settings));
      } catch (error) {
        throw new EngineError(
          "ERR_ENGINE_DEVICE",
          `No device of ${settings.provider} could be opened: ${(error as Error).message}`,
          { cause: error },
        );
      }
      opened.set(key, device);
    }
    return device;
  }

  /** Whether arrays can stay on the device. */
  get holdsArrays(): boolean {
    return this.#allocator !== undefined;
  }

  get allocator(): Pointer {
    if (this.#allocator === undefined) {
      throw new EngineError(
        "ERR_ENGINE_DEVICE",
        `Arrays cannot stay on ${this.name}: its sessions take and give the CPU's.`,
      );
    }
    return this.#allocator;
  }

  /** Whether the device itself, not the CPU in its place, adds numbers of this type. */
  computes(type: ElementType): boolean {
    try {
      const configEntries = { "session.disable_cpu_ep_fallback": "1" };
      const session = new Session(doublingModel(type), { device: this, configEntries });
      // Whether the GPU has the type shows when its program is made, which is at the first run.
      session.run([OrtArray.allocate(type, [2])], [OrtArray.allocate(type, [2])]);
      session.dispose();
      return true;
    } catch {
      return false;
    }
  }

  #tryOut(): void {
    const input = OrtArray.wrap("float32", Float32Array.of(1, 2.5), [2]);
    const [output] = this.#keeper.run([input], [undefined]);
    if (output!.data[0] !== 2 || output!.data[1] !== 5) {
      throw new Error(`it computed [${output!.data.join(", ")}] where [2, 5] is right.`);
    }
  }
}
