/** From what the user asks for to the device that computes. */
import { ConfigurationError, describeChoices, EngineError } from "../../errors.js";
import type { Precision } from "../graph/executor.js";
import { configureEnvironment, Device } from "../runtime/index.js";
import {
  ACCELERATORS,
  installedTensorFlow,
  precheck,
  probe,
  type Accelerator,
  type AcceleratorInfo,
} from "./available.js";

/** Best first. Core ML takes no training graph as a whole and TensorFlow replaces the engine: both only when asked for. */
const AUTO = ["cuda", "webgpu", "directml"] as const;
const PRECISIONS: readonly Precision[] = ["32-true", "16-mixed"];
const FLOAT16 = "float16";

export interface AcceleratorOptions {
  /** Default "auto": the best that works here, never a GPU in software. */
  accelerator?: Accelerator | "auto";
  /** Which of several GPUs, counted from 0, for cuda and directml. */
  deviceId?: number;
  /** Threads that compute on the CPU, default one for each core. Only before the engine has run anything. */
  threads?: number;
  /**
   * MB that intermediate values and packed constants may take on the CPU, or arrays on a CUDA device. A graph that needs
   * more fails with `ERR_ENGINE_MEMORY`. Default no limit. On the CPU only before the engine has run anything. Other GPUs
   * have none: "auto" passes over them where a limit is asked for.
   */
  memoryLimitMb?: number;
  /**
   * Default "32-true". "16-mixed" computes matrix products and convolutions, forward and backward, in float16 and all else
   * in float32, as PyTorch's autocast does: weights, gradients and results are float32, and the loss is to be scaled so
   * that small gradients do not vanish. What exceeds 65504 in a product becomes infinite. Only on a GPU with float16.
   */
  precision?: Precision;
}

export interface ChosenAccelerator {
  name: Accelerator;
  /** Why it was chosen and why none that is better, for a log. */
  reason: string;
  /** Undefined for the CPU and TensorFlow. */
  device: Device | undefined;
  precision: Precision;
}

/**
 * Opens the accelerator that is asked for.
 * @throws EngineError `ERR_ENGINE_ACCELERATOR` where it is not available, with how to get it, and `ERR_ENGINE_PRECISION`
 *   where it cannot compute in the precision
 * @throws ConfigurationError `ERR_ACCELERATOR_OPTION` for an option that has no such value or does not go with it
 */
export function chooseAccelerator(options: AcceleratorOptions = {}): ChosenAccelerator {
  const { accelerator = "auto", deviceId, threads, memoryLimitMb, precision = "32-true" } = options;
  checkOptions(options);
  const settings = {
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(memoryLimitMb === undefined ? {} : { memoryLimitMb }),
  };
  configureEnvironment({
    ...(threads === undefined ? {} : { threads }),
    ...(memoryLimitMb === undefined ? {} : { memoryLimitMb }),
  });
  const { found, reason } =
    accelerator === "auto"
      ? chooseBest(memoryLimitMb)
      : { found: probe(accelerator, settingsOf(accelerator, settings)), reason: "" };
  if (!found.available) throw unavailable(found);
  const { name } = found;
  const device =
    name === "cpu" || name === "tensorflow"
      ? undefined
      : Device.open({ provider: name, ...settingsOf(name, settings) });
  if (precision === "16-mixed" && device?.computes(FLOAT16) !== true) {
    throw new EngineError(
      "ERR_ENGINE_PRECISION",
      `The precision "16-mixed" was asked for, and ${name}${found.device === undefined ? "" : ` on ${found.device}`} ` +
        'does not compute in float16. Use "32-true".',
    );
  }
  return {
    name,
    reason: reason === "" ? `${name} was asked for. ${found.reason}` : reason,
    device,
    precision,
  };
}

/**
 * Loads the user's TensorFlow package, which registers the TF.js backend "tensorflow".
 * @throws EngineError `ERR_ENGINE_ACCELERATOR` where there is none
 */
export async function loadTensorFlow(): Promise<void> {
  const installed = installedTensorFlow();
  if (installed === undefined) throw unavailable(probe("tensorflow"));
  await import(installed);
}

function unavailable({ name, reason }: AcceleratorInfo): EngineError {
  return new EngineError(
    "ERR_ENGINE_ACCELERATOR",
    `The accelerator "${name}" is not available: ${reason} "auto" takes the best that is there.`,
  );
}

function chooseBest(memoryLimitMb: number | undefined): { found: AcceleratorInfo; reason: string } {
  const passed: string[] = [];
  for (const name of AUTO) {
    if (memoryLimitMb !== undefined && name !== "cuda") {
      passed.push(`Not ${name}: its memory cannot be limited.`);
      continue;
    }
    const { device, software } = precheck(name);
    if (software === true) {
      passed.push(`Not ${name}: ${device} is software.`);
      continue;
    }
    const found = probe(name, memoryLimitMb === undefined ? {} : { memoryLimitMb });
    if (found.available) {
      const reason = `${name} is the best that works: ${device ?? found.reason}`;
      return { found, reason: [reason, ...passed].join(" ") };
    }
    passed.push(`Not ${name}: ${found.reason}`);
  }
  return { found: probe("cpu"), reason: ["cpu is the best that works.", ...passed].join(" ") };
}

/** Only CUDA's memory has a limit of its own. */
function settingsOf(name: Accelerator, settings: { deviceId?: number; memoryLimitMb?: number }) {
  if (name === "cuda" || settings.deviceId === undefined) return name === "cuda" ? settings : {};
  return { deviceId: settings.deviceId };
}

function checkOptions({
  accelerator = "auto",
  deviceId,
  threads,
  memoryLimitMb,
  precision,
}: AcceleratorOptions): void {
  const choices = ["auto", ...ACCELERATORS];
  const fail = (text: string): never => {
    throw new ConfigurationError("ERR_ACCELERATOR_OPTION", text);
  };
  if (!choices.includes(accelerator)) {
    fail(`There is no accelerator "${accelerator}". ${describeChoices(accelerator, choices)}`);
  }
  if (precision !== undefined && !PRECISIONS.includes(precision)) {
    fail(`There is no precision "${String(precision)}". ${describeChoices(precision, PRECISIONS)}`);
  }
  for (const [name, value, least] of [
    ["deviceId", deviceId, 0],
    ["threads", threads, 1],
    ["memoryLimitMb", memoryLimitMb, 1],
  ] as const) {
    if (value !== undefined && (!Number.isInteger(value) || value < least)) {
      fail(`${name} is a whole number of at least ${least}, and ${value} came.`);
    }
  }
  if (memoryLimitMb !== undefined && !["auto", "cpu", "cuda"].includes(accelerator)) {
    fail(`memoryLimitMb is for "cpu" or "cuda", and the accelerator is "${accelerator}".`);
  }
  if (deviceId !== undefined && accelerator !== "cuda" && accelerator !== "directml") {
    fail(`deviceId chooses a GPU for "cuda" or "directml", and the accelerator is "${accelerator}".`);
  }
}
