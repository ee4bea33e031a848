import { configDefaults, defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,sdk/src}/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts", "bench/*.test.ts"],
    // Those need servers that not every machine has: vitest.cluster.config.ts.
    exclude: [...configDefaults.exclude, "**/*.int.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two workers fit the smallest machine that we test on; more would only fight for its cores.
    maxWorkers: 2,
  },
});
