import { defineConfig } from "vitest/config";

/** The tests that need the servers of a cluster, each started by itself where it is installed. */
export default defineConfig({
  test: {
    include: ["{src,test}/**/*.int.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
