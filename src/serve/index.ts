/** Serving trained tasks over HTTP. */
export { serve, type RunningServer } from "./serve.js";
export { createHandler, type Handler } from "./handler.js";
export { startPredictor, type ModelInfo, type Predictor } from "./predictor.js";
export type { BatchingOptions, HandlerOptions, ServeLimits, ServeOptions } from "./serve_options.js";
