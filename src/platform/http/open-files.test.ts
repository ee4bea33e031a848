import { expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import { connectionsMax } from "./open-files.ts";

it("leaves files for the store, and never takes more connections than the limits say", () => {
  expect(connectionsMax(1024)).toBe(1024 - limits.filesReserved);
  expect(connectionsMax(1_048_576)).toBe(limits.connectionsMax);
  expect(connectionsMax(20)).toBe(4);
  expect(connectionsMax()).toBeGreaterThan(0);
});
