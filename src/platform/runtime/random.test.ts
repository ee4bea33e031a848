import { expect, it } from "vitest";
import { pooledRandom } from "./random.ts";

it("gives bytes that differ from call to call, across its refills", () => {
  const random = pooledRandom();
  const seen = new Set<string>();
  for (let turn = 0; turn < 2000; turn += 1) seen.add(Buffer.from(random(16)).toString("hex"));
  expect(seen.size).toBe(2000);
  expect([...seen].join("")).not.toMatch(/0{24}/);
});

it("gives as many as were asked for, also more than it keeps", () => {
  const random = pooledRandom();
  expect([1, 8191, 8192, 20_000].map((bytes) => random(bytes).length)).toEqual([1, 8191, 8192, 20_000]);
});
