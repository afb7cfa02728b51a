/** The device that a run computes on: the engine's, which is one for the whole process. */
import { engine, type Accelerator, type EngineChoice } from "../../engine/index.js";
import { EngineError } from "../../errors.js";
import { warnOnce } from "../../warn.js";
import type { PrecisionName } from "../precision/precision.js";

/** Whether a run may compute where equal runs can differ in the last bits. */
export type Deterministic = boolean | "warn";

/** Options of where a run computes. */
export interface DeviceOptions {
  /** Default "auto": where the engine computes already, or else the engine's own choice. */
  accelerator?: Accelerator | "auto";
  /** Which of several GPUs, counted from 0. */
  deviceId?: number;
  /** Threads that compute, where several ranks share a machine. Default: the engine's. */
  threads?: number;
}

/**
 * Has the engine compute where a run wants to. An "auto" never moves an engine that was told where to compute.
 *
 * @throws EngineError where the engine cannot compute there or in the precision
 */
export async function useDevice(
  { accelerator = "auto", deviceId, threads }: DeviceOptions,
  precision: PrecisionName,
): Promise<EngineChoice> {
  const { current } = engine;
  const name = accelerator === "auto" ? (current?.name ?? "auto") : accelerator;
  const wanted = deviceId ?? (accelerator === "auto" ? current?.deviceId : undefined);
  if (current?.name === name && current.precision === precision && current.deviceId === wanted)
    return current;
  return engine.use({
    accelerator: name,
    precision,
    ...(wanted === undefined ? {} : { deviceId: wanted }),
    ...(threads === undefined ? {} : { threads }),
  });
}

/**
 * What `deterministic` checks: the engine's CPU kernels give the same bits for the same inputs, and for no other device
 * is that known.
 *
 * @throws EngineError `ERR_NOT_DETERMINISTIC` with `true` on another device than the CPU; with "warn" it is a warning
 */
export function checkDeterministic(deterministic: Deterministic, { name }: EngineChoice): void {
  if (deterministic === false || name === "cpu") return;
  const message =
    `deterministic: ${JSON.stringify(deterministic)} was asked for, and the engine computes on ${name}, where equal runs ` +
    'may differ in the last bits. Use accelerator: "cpu", whose kernels give the same bits each time, or leave deterministic out.';
  if (deterministic === true) throw new EngineError("ERR_NOT_DETERMINISTIC", message);
  warnOnce("WARN_NOT_DETERMINISTIC", message);
}
