/** Serving trained tasks over HTTP. */
export { serve } from "./serve.js";
export type { RunningServer } from "./listen.js";
export { createHandler, type Handler } from "./handler.js";
export { startPredictor, type ModelInfo, type Predictor } from "./predictor.js";
export type { BatchingOptions, HandlerOptions, ServeLimits, ServeOptions } from "./serve_options.js";
