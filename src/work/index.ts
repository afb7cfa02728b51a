/** Everything public of modules that run in processes of their own. */
export { Work, type WorkOptions, type WorkStatus } from "./work.js";
export type { WorkContext, WorkFunction } from "./work_context.js";
