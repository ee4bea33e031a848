import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What takes longest, longest first: one that began last would leave a processor idle at the end. What is not named comes after
 * them, the largest file first.
 */
const longest = [
  "src/simulation/simulation.test.ts",
  "examples/real-data.test.ts",
  "test/journeys/",
  "test/crash/",
  "test/fuzz/",
  "test/linearizability/",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((part) => moduleId.includes(part));
      return found < 0 ? longest.length : found;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}

/** Workers, and the programs that they start by the dozen, find there what they have compiled before. */
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/compiled", import.meta.url));

const common = {
  testTimeout: 30_000,
  hookTimeout: 30_000,
  // The smallest machine that we test on has two cores. Journeys wait for half of their time: a third worker fills that.
  maxWorkers: 3,
  setupFiles: ["test/properties.setup.ts"],
};
/** Those need servers that not every machine has: vitest.cluster.config.ts. */
const needServers = "**/*.int.test.ts";
/**
 * They start processes, measure memory or wait for the clock: each has a worker of its own. So have those of the SDK, which take the
 * timers over: what another file has left running would come to them too.
 */
const alone = ["{src/simulation,sdk/src,test,examples}/**/*.test.ts", "bench/*.test.ts"];
/** Crashes, damage, random and hostile input, histories of clients, planted bugs: `npm run test:faults`, minutes of their own. */
const faults = [
  "test/{crash,fuzz,hostile}/**/*.test.ts",
  "test/linearizability/*.e2e.test.ts",
  "src/simulation/bite.test.ts",
];

export default defineConfig({
  test: {
    maxWorkers: common.maxWorkers,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: "system",
          include: alone,
          exclude: [...configDefaults.exclude, needServers, ...faults],
        },
      },
      { test: { ...common, name: "faults", include: faults } },
      {
        test: {
          ...common,
          name: "parts",
          include: ["src/**/*.test.ts"],
          exclude: [...configDefaults.exclude, needServers, ...alone],
          // A worker that goes on with the next file has most of its modules already: half of their time was loading them.
          isolate: false,
        },
      },
    ],
  },
});
