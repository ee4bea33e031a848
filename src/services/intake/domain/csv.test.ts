import { describe, expect, it } from "vitest";
import { limits } from "../../../kernel/index.ts";
import { CsvReader } from "./csv.ts";

const read = (text: string, delimiter = ",") => new CsvReader(delimiter).push(text, true);
const plain = (text: string) => read(text).map(({ line, fields }) => [line, ...fields]);

describe("CsvReader", () => {
  it("reads fields, also empty ones and a last line without its end", () => {
    expect(plain("a,b,c\n1,,3\n,,")).toEqual([
      [1, "a", "b", "c"],
      [2, "1", "", "3"],
      [3, "", "", ""],
    ]);
  });

  it("counts lines as an editor does, whatever stands inside quotes", () => {
    expect(plain('a,b\r\n1,"x\r\ny"\r\n\r\n2,"p\nq\n"\r\n3,z\n')).toEqual([
      [1, "a", "b"],
      [2, "1", "x\r\ny"],
      [5, "2", "p\nq\n"],
      [8, "3", "z"],
    ]);
  });

  it("takes doubled quotes for one, and quotes inside a bare field as they are", () => {
    expect(plain('"say ""hi""",5" pipe,""\n')).toEqual([[1, 'say "hi"', '5" pipe', ""]]);
  });

  it("keeps a quoted empty field on a line of its own, and passes over a blank line", () => {
    expect(plain('""\n\n""\n')).toEqual([
      [1, ""],
      [3, ""],
    ]);
  });

  it("reads other delimiters", () => {
    expect(read('a;"b;c"\n', ";")[0]?.fields).toEqual(["a", "b;c"]);
  });

  it("loses one line to an unclosed quote, not the file", () => {
    const rows = read('1,a\n2,"b\n3,c\n4,d\n');
    expect(rows.map(({ line, fields }) => [line, ...fields])).toEqual([
      [1, "1", "a"],
      [2],
      [3, "3", "c"],
      [4, "4", "d"],
    ]);
    expect(rows[1]).toMatchObject({ problem: "a quoted field is not closed", text: '2,"b' });
  });

  it("loses one line to text after a closing quote", () => {
    const rows = read('1,"a"b,c\n2,d\n');
    expect(rows[0]).toMatchObject({ line: 1, problem: "there is text after a closing quote", text: '1,"a"b,c' });
    expect(rows[1]).toMatchObject({ line: 2, fields: ["2", "d"] });
  });

  it("gives up an unclosed quote when a row has grown too long, and goes on with the next line", () => {
    const reader = new CsvReader(",");
    const lines = "x,y\n".repeat(limits.importRowCharsMax / 4 + 1);
    const rows = reader.push(`1,"a\n${lines}`, false);
    expect(rows[0]).toMatchObject({ line: 1, problem: "a quoted field is not closed" });
    expect(rows[1]).toMatchObject({ line: 2, fields: ["x", "y"] });
  });

  it("refuses a line without end", () => {
    expect(() => read("x".repeat(limits.importRowCharsMax + 1))).toThrow("line 1 is longer than");
  });

  it("says which row holds what is not UTF-8", () => {
    expect(read("a,b\n1,caf\ufffd\n2,x\n").map(({ problem }) => problem)).toEqual([
      undefined,
      "holds bytes that are not UTF-8",
      undefined,
    ]);
  });
});
