/** An accelerator that is open: sessions compute on it, and arrays stay on it between runs. */
import { PbfWriter } from "pbf";
import { EngineError } from "../../errors.js";
import type { Pointer } from "./api.js";
import { onnxType, type ElementType } from "./element_type.js";
import type { DeviceSettings, Provider } from "./providers.js";
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
    this.#keeper = new Session(doublingModel(onnxType("float32")), { device: this });
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
        device = new Device(settings);
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
      new Session(doublingModel(onnxType(type)), { device: this, configEntries }).dispose();
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

/** y = x + x over a vector of two, as an ONNX model. */
function doublingModel(type: number): Uint8Array {
  const model = new PbfWriter();
  model.writeVarintField(1, 9);
  model.writeMessage(7, writeDoubling, type);
  model.writeMessage(8, (_, opset) => opset.writeVarintField(2, 20), null);
  return model.finish();
}

function writeDoubling(type: number, graph: PbfWriter): void {
  graph.writeMessage(
    1,
    (_, node) => {
      node.writeStringField(1, "x");
      node.writeStringField(1, "x");
      node.writeStringField(2, "y");
      node.writeStringField(4, "Add");
    },
    null,
  );
  graph.writeStringField(2, "doubling");
  graph.writeMessage(11, writeVector, { name: "x", type });
  graph.writeMessage(12, writeVector, { name: "y", type });
}

function writeVector({ name, type }: { name: string; type: number }, info: PbfWriter): void {
  info.writeStringField(1, name);
  const dimension = (_: null, message: PbfWriter): void => message.writeVarintField(1, 2);
  const shape = (_: null, message: PbfWriter): void => message.writeMessage(1, dimension, null);
  const tensor = (_: null, message: PbfWriter): void => {
    message.writeVarintField(1, type);
    message.writeMessage(2, shape, null);
  };
  info.writeMessage(2, (_, valueType) => valueType.writeMessage(1, tensor, null), null);
}
