import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["kindling-source"] },
  ssr: { resolve: { conditions: ["kindling-source"], externalConditions: ["kindling-source"] } },
  test: {
    include: ["tests/**/*.test.ts"],
    pool: "forks",
    // Vitest leaves a core to itself. Of two that is half, where most of the time goes into starting processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    reporters: ["default", "./tests/support/skip_reporter.ts"],
  },
});
