/** Everything public of the search. */
export type { Assignment } from "./assignment.js";
export type { ParameterImportance } from "./importance.js";
export { ASHAPruner, type ASHAPrunerOptions, type Pruner, type PrunerContext } from "./pruner.js";
export type { SearchSampler, SearchSamplerContext } from "./sampler.js";
export type { SearchObjective } from "./search.js";
export type { SearchOptions } from "./search_options.js";
export { SearchTrial, TrialPruned } from "./search_trial.js";
export {
  suggest,
  type CategoricalParameter,
  type Choice,
  type ConditionalParameter,
  type FloatParameter,
  type IntParameter,
  type SearchParameter,
  type SearchSpace,
  type SearchValues,
} from "./space.js";
export { Study, type SearchResult } from "./study.js";
export type { SearchDirection, SearchTrialState, TrialRecord } from "./study_state.js";
export { TPESampler, type TPESamplerOptions } from "./tpe_sampler.js";
