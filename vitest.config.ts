import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["kindling-source"] },
  ssr: { resolve: { conditions: ["kindling-source"], externalConditions: ["kindling-source"] } },
  test: {
    include: ["tests/**/*.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
    reporters: ["default", "./tests/support/skip_reporter.ts"],
  },
});
