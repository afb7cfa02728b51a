/** What is said where a rank has ended and others wait for it. */
import { DistributedError } from "../errors.js";

export function endedError(rank: number): DistributedError {
  return new DistributedError(
    "ERR_RANK_ENDED",
    `Rank ${rank} has come to the end of the program while others wait for it. Every rank must call fit, validate, test, ` +
      "predict and the collectives as often as the others, in the same order.",
    { rank },
  );
}
