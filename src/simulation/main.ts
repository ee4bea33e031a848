import { runHistory } from "./history.ts";

const seed = Number(process.argv[2] ?? 1),
  n = Number(process.argv[3] ?? 1),
  steps = Number(process.argv[4] ?? 500);
const t = performance.now();
let failed = 0,
  units = 0;
const faults: Record<string, number> = {},
  answers: Record<string, number> = {};
for (let i = 0; i < n; i++) {
  const r = await runHistory(seed + i, steps);
  units += r.units;
  for (const [k, v] of Object.entries(r.faults)) faults[k] = (faults[k] ?? 0) + v;
  for (const [k, v] of Object.entries(r.answers)) answers[k] = (answers[k] ?? 0) + v;
  if (r.failure) {
    failed++;
    if (failed < 6) console.log(r.seed, r.failure.step, r.failure.problem.slice(0, 1500));
  }
  if (n < 3) console.log(r.hash, r.units, r.events);
}
console.log({ failed, units, s: (performance.now() - t) / 1000, cpu: process.cpuUsage().user / 1e6 });
if (process.argv[5]) console.log(faults, answers);
