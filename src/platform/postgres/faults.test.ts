import { describe, expect, it } from "vitest";
import { OutcomeUnknown, PlatformError } from "../../kernel/index.ts";
import { endsConnection, faultOf } from "./faults.ts";

const told = (severity: string, code: string) => Object.assign(new Error("no"), { severity, code });

describe("what a server says of a statement", () => {
  it.each([
    ["ERROR", "LD004"],
    ["ERROR", "XX000"],
    ["FEHLER", "LD004"],
    ["ERREUR", "23514"],
    ["エラー", "40001"],
  ])("is a refusal in any language: %s %s", (severity, code) => {
    expect(faultOf(told(severity, code))).toBeInstanceOf(PlatformError);
    expect(endsConnection(told(severity, code))).toBe(false);
  });

  it.each([
    ["FATAL", "57P01"],
    ["ВАЖНО", "57P01"],
    ["致命错误", "25P03"],
    ["PANIC", "XX000"],
    ["FEHLER", "XX000"],
  ])("leaves it open what was done where it may end the connection: %s %s", (severity, code) => {
    expect(faultOf(told(severity, code))).toBeInstanceOf(OutcomeUnknown);
    expect(endsConnection(told(severity, code))).toBe(true);
  });
});
