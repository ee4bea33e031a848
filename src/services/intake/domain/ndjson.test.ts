import { expect, it } from "vitest";
import { NdjsonReader } from "./ndjson.ts";
import { rejectedLine } from "./rejected.ts";

it("picks the named members as texts, line by line, however the text is cut", () => {
  const text = '{"sku":"a","qty":2,"at":{"store":7},"tags":["x"]}\n\n{"sku":null,"qty":true}\r\n[1]\n{"sku":';
  const columns = ["sku", "qty", "at.store", "tags", "toString"];
  const expected = [
    { line: 1, fields: ["a", "2", "7", '["x"]', ""] },
    { line: 3, fields: ["", "true", "", "", ""] },
    { line: 4, problem: "is not a JSON object", text: "[1]" },
    { line: 5, problem: "is not a JSON object", text: '{"sku":' },
  ];
  for (const size of [1, 7, text.length]) {
    const reader = new NdjsonReader(columns);
    const pieces = text.match(new RegExp(`.{1,${size}}`, "gs")) ?? [];
    const rows = [...pieces.flatMap((piece) => reader.push(piece, false)), ...reader.push("", true)];
    expect(rows).toMatchObject(expected);
    expect(rows).toHaveLength(expected.length);
  }
});

it("turns down a row that nests too deep to be written again, and reads on", () => {
  const deep = `${'{"0":'.repeat(150_000)}1${"}".repeat(150_000)}`;
  const [first, second] = new NdjsonReader(["a"]).push(`{"a":${deep}}\n{"a":1}`, true);
  expect(first).toMatchObject({ line: 1, fields: [], problem: "nests too deep" });
  expect(second).toMatchObject({ line: 2, fields: ["1"] });
});

it("keeps every digit of integers that are beyond 2^53, also inside others", () => {
  const read = (text: string) => new NdjsonReader(["id", "at.n", "list"]).push(text, true)[0]?.fields;
  const [one, other] = ["1747382910293847561", "-1747382910293847562"];
  expect(read(`{"id":${one},"at":{"n":${other}},"list":[${one},1]}`)).toEqual([one, other, `[${one},1]`]);
  // Other numbers are as JSON writes them.
  expect(read('{"id":1e3,"at":{"n":0.1000000000000000},"list":[9007199254740991,"1234567890123456"]}')).toEqual([
    "1000",
    "0.1",
    '[9007199254740991,"1234567890123456"]',
  ]);
});

it("reads the lines of a rejects file as the rows that they hold, as they stood", () => {
  const row = '{"id": 1747382910293847561,  "sku":"\\u0061"}';
  const why = { text: row, isObject: true };
  const lines = [
    rejectedLine(7, 'no: "row":{}', why),
    rejectedLine(8, "no", { ...why, occurrence: "3 of aZ-_456789" }),
    rejectedLine(9, "no", { text: 'not"json', isObject: false }),
    `{ "line": 7, "reason": "", "row": ${row} }\n`,
  ];
  const rows = new NdjsonReader(["id", "sku"]).push(lines.join(""), true);
  const fields = ["1747382910293847561", "a"];
  expect(rows).toEqual([
    { line: 1, text: row, fields },
    { line: 2, text: row, fields, occurrence: "3 of aZ-_456789" },
    { line: 3, text: 'not"json', fields: [], problem: "is not a JSON object" },
    // Written anew by something else since: what it says is kept, how it was written is lost.
    { line: 4, text: '{"id":1747382910293847561,"sku":"a"}', fields },
  ]);
});
