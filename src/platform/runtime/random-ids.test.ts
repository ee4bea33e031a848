import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { randomIds } from "./random-ids.ts";

it("gives ids of 32 hexadecimal digits, each of bytes of its own, also across draws", () => {
  const drawn: string[] = [];
  const next = randomIds((bytes) => {
    const given = randomBytes(bytes);
    drawn.push(given.toString("hex"));
    return given;
  });
  const ids = Array.from({ length: 600 }, next);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(drawn.join("").startsWith(ids.join(""))).toBe(true);
  expect(new Set(ids).size).toBe(600);
});
