/** Functions whose minima are known, and how near a sampler comes to them: the regret. */
import {
  Generator,
  suggest,
  TPESampler,
  type SearchSampler,
  type SearchSpace,
  type TrialRecord,
} from "kindling";

interface Problem {
  space: SearchSpace;
  minimum: number;
  f: (x: readonly number[]) => number;
}

const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const P = [
  [1312, 1696, 5569, 124, 8283, 5886],
  [2329, 4135, 8307, 3736, 1004, 9991],
  [2348, 1451, 3522, 2883, 3047, 6650],
  [4047, 8828, 8732, 5743, 1091, 381],
];
const ALPHA = [1, 1.2, 3, 3.2];

/** Surjanovic and Bingham, "Virtual Library of Simulation Experiments", give both with their minima. */
const problems = {
  branin: {
    space: { x0: suggest.float(-5, 10), x1: suggest.float(0, 15) },
    minimum: 0.397887,
    f: ([x = 0, y = 0]) =>
      (y - (5.1 / (4 * Math.PI ** 2)) * x ** 2 + (5 / Math.PI) * x - 6) ** 2 +
      10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
      10,
  },
  hartmann6: {
    space: Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`x${i}`, suggest.float(0, 1)])),
    minimum: -3.32237,
    f: (x) =>
      -ALPHA.reduce((sum, alpha, i) => {
        const distance = x.reduce(
          (total, value, j) => total + A[i]![j]! * (value - P[i]![j]! * 1e-4) ** 2,
          0,
        );
        return sum + alpha * Math.exp(-distance);
      }, 0),
  },
} satisfies Record<string, Problem>;

const TRIALS = 100;

/** The median over the seeds 0, 1, … of what is missing to the minimum after 100 trials. */
export function regretOf(name: keyof typeof problems, sampler: "tpe" | "random", seeds: number): number {
  const problem: Problem = problems[name];
  const regrets = Array.from({ length: seeds }, (_, seed) => regret(problem, sampler, seed)).sort(
    (a, b) => a - b,
  );
  return (regrets[Math.floor((seeds - 1) / 2)]! + regrets[Math.ceil((seeds - 1) / 2)]!) / 2;
}

function regret({ space, minimum, f }: Problem, name: "tpe" | "random", seed: number): number {
  // TPE begins as random search does, and here never gets further.
  const sampler: SearchSampler =
    name === "tpe" ? new TPESampler() : new TPESampler({ startupTrials: TRIALS });
  const trials: TrialRecord[] = [];
  for (let number = 0; number < TRIALS; number++) {
    const assignment = sampler.sample({
      space,
      direction: "minimize",
      trials,
      random: new Generator(seed, number),
    });
    const value = f(Object.keys(space).map((path) => assignment[path] as number));
    trials.push({ number, state: "complete", assignment, value, reports: [], attempts: 1, startedAt: "" });
  }
  return Math.min(...trials.map(({ value }) => value!)) - minimum;
}
