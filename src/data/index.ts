/** Data on the host: decoding, transforms, datasets, loaders and splits. */
export { findBadSamples, summarizeBadSamples, type BadSample, type BadSamplePolicy } from "./bad_samples.js";
export { defaultCollate, type Collated } from "./collate.js";
export { DataLoader, type DataLoaderOptions, type DataLoaderState } from "./data_loader.js";
export { DistributedSampler, type DistributedSamplerOptions } from "./distributed_sampler.js";
export { ArrayDataset, ConcatDataset, MapDataset, Subset, type Dataset } from "./dataset.js";
export * from "./audio/index.js";
export * from "./image/index.js";
export { LengthGroupedSampler, type LengthGroupedSamplerOptions } from "./length_grouped_sampler.js";
export { MemoryBudget } from "./memory_budget.js";
export { compareNaturally } from "./natural_order.js";
export { RandomSampler, SequentialSampler, WeightedRandomSampler, type Sampler } from "./samplers.js";
export type { Share } from "./share.js";
export { videoFrames, type VideoFrame, type VideoFramesOptions } from "./video/video_frames.js";
export { randomSplit, stratifiedSplit, type Split, type StratifiedSplit } from "./splits.js";
