import type { Columns, Values } from "./columns.ts";
import { parseNumber } from "./fields.ts";
import type { Condition } from "./mapping.ts";
import { MappingError } from "./mapping-error.ts";
import { compilePattern } from "./pattern.ts";

export type Test = (values: Values) => boolean;
type TextTest = (text: string) => boolean;

/** Whether all conditions hold. Throws `MappingError`. */
export function compileConditions(conditions: readonly Condition[], columns: Columns, path: string): Test {
  const tests = conditions.map((condition, index) => compileCondition(condition, columns, `${path}[${index}]`));
  return (values) => tests.every((test) => test(values));
}

function compileCondition(condition: Condition, columns: Columns, path: string): Test {
  const { column, not, ...given } = condition;
  const names = Object.keys(given);
  if (names.length !== 1) {
    throw new MappingError(path, `needs exactly one test of "${column}", and has ${names.join(", ") || "none"}`);
  }
  const index = columns.indexOf(column, `${path}.column`);
  const numberTest = compileNumberTest(condition);
  if (numberTest !== undefined) {
    return (values) => {
      const number = parseNumber(values[index] ?? "");
      return number !== undefined && numberTest(number) !== (not === true);
    };
  }
  const test = compileTextTest(condition, path);
  return (values) => test(values[index] ?? "") !== (not === true);
}

function compileNumberTest({ below, above, equalsNumber }: Condition): ((value: number) => boolean) | undefined {
  if (below !== undefined) return (value) => value < below;
  if (above !== undefined) return (value) => value > above;
  if (equalsNumber !== undefined) return (value) => value === equalsNumber;
  return undefined;
}

function compileTextTest(condition: Condition, path: string): TextTest {
  const { equals, startsWith, matches } = condition;
  if (equals !== undefined) return (text) => text === equals;
  if (startsWith !== undefined) return (text) => text.startsWith(startsWith);
  if (condition.in !== undefined) {
    const members = new Set(condition.in);
    return (text) => members.has(text);
  }
  if (matches !== undefined) {
    return compilePattern(matches, `${path}.matches`);
  }
  return (text) => text.trim() === "";
}
