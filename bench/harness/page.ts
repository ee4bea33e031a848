/** `docs/performance.md`: the parts between markers are written from the results that are kept. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { svg } from "./plot.ts";
import { home, isMet, kept, markdown, type Result, targetsTable } from "./report.ts";

const page = join(home, "docs/performance.md");
const pictures = join(home, "docs/performance");

/** Writes every part of the page of which there is a result, and the targets of all of them. */
export function writePage(): void {
  const results = kept();
  let text = readFileSync(page, "utf8");
  for (const result of results.values()) {
    if (result.chart !== undefined) {
      mkdirSync(pictures, { recursive: true });
      writeFileSync(join(pictures, `${result.name}.svg`), svg(result.chart));
    }
    text = replacePart(text, result.name, part(result));
  }
  const all = [...results.values()].flatMap(({ targets }) => targets);
  text = replacePart(text, "targets", markdown(targetsTable(all)));
  writeFileSync(page, text);
}

/** Replaces what stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; a page without them is left as it is. */
export function replacePart(text: string, name: string, content: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [text.indexOf(open), text.indexOf(close)];
  if (from === -1 || to < from) return text;
  return `${text.slice(0, from + open.length)}\n${content}\n${text.slice(to)}`;
}

export function part(result: Result): string {
  const { name, method, takenAt, seconds, command, commit, machine, versions, tables, notes = [], chart } = result;
  const took = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
  const with_ = took.length === 0 ? "" : `; ${took.join(", ")}`;
  return [
    method.replaceAll("\n", " "),
    "",
    `Measured ${takenAt.slice(0, 10)} at commit ${commit} in ${Math.round(seconds)} s by \`${command}\`: ${machine.cpu}, ${machine.memory}, ${machine.system}, Node ${machine.node}${with_}; load average before it ${machine.load}${machine.syncMs === undefined ? "" : `, a sync of 4 KiB ${machine.syncMs} ms`}.${result.isQuick ? " **A quick look: no figures to quote.**" : ""}`,
    ...(chart === undefined ? [] : ["", `![${chart.title}](performance/${name}.svg)`]),
    ...tables.flatMap((table) => ["", `**${table.title}**`, "", markdown(table)]),
    ...notes.map((note) => `\n${note}`),
  ].join("\n");
}

/** One sentence on the targets of what was run. */
export function verdict(results: readonly Result[]): string {
  const targets = results.flatMap((result) => result.targets);
  const missed = targets.filter((target) => isMet(target) === false);
  const met = targets.filter((target) => isMet(target) === true);
  const unmeasured = targets.length - met.length - missed.length;
  const names = missed.length === 0 ? "" : `: ${missed.map(({ what }) => what).join("; ")}`;
  return `${met.length} of ${targets.length} targets met, ${unmeasured} not measured, ${missed.length} missed${names}.`;
}
