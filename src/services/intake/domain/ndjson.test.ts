import { expect, it } from "vitest";
import { NdjsonReader } from "./ndjson.ts";

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
