/** Loaded before anything else (`node --import`): puts the bug that LARDER_PLANTED_BUG names into its module as it is loaded. */
import { registerHooks } from "node:module";
import { bugNamed, planted } from "./bugs.ts";

const bug = bugNamed(process.env["LARDER_PLANTED_BUG"]);
const target = new URL(`../${bug.file}`, import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    return url === target ? { ...loaded, source: planted(bug, String(loaded.source)) } : loaded;
  },
});
