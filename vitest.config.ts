import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,sdk/src}/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts", "bench/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two workers fit the smallest machine that we test on; more would only fight for its cores.
    maxWorkers: 2,
  },
});
