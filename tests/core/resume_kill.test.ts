/** A training process that is killed at random moments, in small; `npm run bench -- resume` is the same at length. */
import { expect, it } from "vitest";
import { resume } from "../../bench/resume.js";

it("ends with the bits of a run that was left alone", { timeout: 180_000 }, async () => {
  expect(await resume({ kills: 2, peers: false })).toEqual({ kills: 2, corrupt: 0, identical: true });
});
