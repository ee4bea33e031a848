import { defineConfig } from "vitest/config";

/** The journeys on split processes (test/journeys/split.ts): each starts seven, and a PostgreSQL. */
export default defineConfig({
  test: {
    include: ["test/journeys/*.e2e.test.ts"],
    env: { LARDER_JOURNEY_MODE: "split" },
    testTimeout: 120_000,
    hookTimeout: 200_000,
    maxWorkers: 2,
  },
});
