/** Configuration of a run of tests with a planted bug (bite.ts): the bug that LARDER_PLANTED_BUG names is put into its module. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { bugNamed, planted } from "./bugs.ts";

const bug = bugNamed(process.env["LARDER_PLANTED_BUG"]);
const target = fileURLToPath(new URL(`../${bug.file}`, import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  plugins: [
    {
      name: "planted-bug",
      enforce: "pre",
      transform: (source, id) => (id === target ? planted(bug, source) : undefined),
    },
  ],
  test: {
    // Neither may what others have loaded hide the bug, nor the bug be found there by others.
    fsModuleCache: false,
    include: ["src/**/*.test.ts"],
    testTimeout: 30_000,
    maxWorkers: 1,
  },
});
