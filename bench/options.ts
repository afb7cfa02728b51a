/** What the command line tells a benchmark. */
export interface BenchOptions {
  /** The models to measure. Default: all. */
  models?: readonly string[];
  /** Whether to run PyTorch and ONNX Runtime beside ours, where they are installed. */
  peers: boolean;
  /** How often `resume` kills its training process. */
  kills?: number;
  /** How many damaged files `onnx-fuzz` tries. */
  mutations?: number;
  /** How many requests `serve` sends. */
  requests?: number;
  /** The one part of `speech` or `detect` to run, such as `raccoon.mobilenet_v2`. Default: all. */
  only?: string;
  /** Where `detect` writes contact sheets of what it finds in held-out pictures. Default: none are drawn. */
  sheets?: string;
}
