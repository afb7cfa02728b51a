/** The normalisation in a detector's pyramid and towers: in groups, since batches of pictures are small. */
import { GroupNorm } from "../../../nn/index.js";

const GROUP_CHANNELS = 8;

export function groupNorm(channels: number): GroupNorm {
  return new GroupNorm(Math.max(1, channels / GROUP_CHANNELS), channels);
}
