/** ONNX Runtime's execution providers: their names, and how a session is told to use one. */
import { check, CStrings, ortApi, receive, type Pointer } from "./api.js";

export type Provider = "webgpu" | "cuda" | "directml" | "coreml";

export interface DeviceSettings {
  provider: Provider;
  /** Which of several GPUs, for cuda and directml. */
  deviceId?: number;
  /** The most memory that arrays on the device may take, for cuda. */
  memoryLimitMb?: number;
}

const NAMES = { webgpu: "WebGPU", directml: "DML", coreml: "CoreML" };

/** Adds a provider to native session options. */
export function appendProvider(
  options: Pointer,
  { provider, deviceId, memoryLimitMb }: DeviceSettings,
): void {
  const api = ortApi();
  const entries: Record<string, string> = {};
  if (deviceId !== undefined) entries.device_id = String(deviceId);
  if (memoryLimitMb !== undefined) entries.gpu_mem_limit = String(memoryLimitMb * 2 ** 20);
  const keys = new CStrings(Object.keys(entries));
  const values = new CStrings(Object.values(entries));
  const count = Object.keys(entries).length;
  if (provider !== "cuda") {
    check(api.appendExecutionProvider(options, NAMES[provider], keys.pointers, values.pointers, count));
    return;
  }
  const cuda = receive((out) => api.createCudaOptions(out));
  try {
    check(api.updateCudaOptions(cuda, keys.pointers, values.pointers, count));
    check(api.appendCuda(options, cuda));
  } finally {
    api.releaseCudaOptions(cuda);
  }
}
