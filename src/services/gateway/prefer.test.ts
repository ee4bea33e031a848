import { expect, it } from "vitest";
import { prefers } from "./prefer.ts";

const states = (prefer: string | undefined) => prefers({ headers: { prefer } as never }, "respond-async");

it.each([
  "respond-async",
  "Respond-Async",
  "respond-async, wait=10",
  "wait=10,respond-async",
  'respond-async=""',
  "respond-async; foo=bar",
  'foo="a, b" , respond-async',
])("Prefer: %s prefers it", (prefer) => {
  expect(states(prefer)).toBe(true);
});

it.each([
  undefined,
  "",
  "wait=10",
  "respond-asynchronously",
  "respond-async=no",
  'foo="respond-async"',
  'foo="a, respond-async"',
])("Prefer: %s does not", (prefer) => {
  expect(states(prefer)).toBe(false);
});
