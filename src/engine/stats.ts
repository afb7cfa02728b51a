/** What the engine has done since the last reset: the numbers behind `engine.stats()`. */
export interface EngineStats {
  /** Graphs compiled to a session. */
  compiles: number;
  compileMs: number;
  /** Times a compiled graph ran. */
  runs: number;
  runMs: number;
  /** Runs whose kernel calls were those of an earlier run, so that nothing was recorded anew. */
  replays: number;
  /** Arrays that were copied from a device because somebody read them, and their bytes. */
  downloads: number;
  downloadedBytes: number;
  /** Operators in the graph that ran last. */
  lastGraphNodes: number;
  /** Compiled graphs kept for reuse at this moment. */
  cachedSessions: number;
  /** Times each kernel without a lowering ran on TF.js's slow cpu kernel. */
  fallbackKernels: Record<string, number>;
}

export function newStats(): EngineStats {
  return {
    compiles: 0,
    compileMs: 0,
    runs: 0,
    runMs: 0,
    replays: 0,
    downloads: 0,
    downloadedBytes: 0,
    lastGraphNodes: 0,
    cachedSessions: 0,
    fallbackKernels: {},
  };
}
