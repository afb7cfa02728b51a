/** Small types that the whole of core shares. */

/** A value now or later: hooks may be synchronous or asynchronous. */
export type Awaitable<T> = T | Promise<T>;

/** Metric names with their values, as loggers, monitors and results have them. */
export type MetricRecord = Record<string, number>;
