/** The profilers, and the one that an option of the Trainer asks for. */
import { EngineProfiler } from "./engine_profiler.js";
import { PassThroughProfiler, type Profiler } from "./profiler.js";
import { SimpleProfiler } from "./simple_profiler.js";

export { EngineProfiler, type EngineProfilerOptions, type OperatorTime } from "./engine_profiler.js";
export { PassThroughProfiler, Profiler, type ProfiledRun, type ProfilerOptions } from "./profiler.js";
export { SimpleProfiler, type ActionTime, type SimpleProfilerOptions } from "./simple_profiler.js";

export function makeProfiler(profiler: "simple" | "engine" | Profiler | undefined): Profiler {
  if (profiler === "simple") return new SimpleProfiler();
  if (profiler === "engine") return new EngineProfiler();
  return profiler ?? new PassThroughProfiler();
}
