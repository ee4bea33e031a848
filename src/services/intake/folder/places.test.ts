import { describe, expect, it } from "vitest";
import { kindOf, namesBefore } from "./places.ts";

describe("the name of a file", () => {
  it.each([
    ["sales.csv", "csv"],
    ["sales.JSONL.gz", "ndjson"],
    ["day.xml", "epcis"],
    ["sales", undefined],
    ["x.constructor", undefined],
    ["20261121T093000Z-sales.ndjson.rejects.ndjson", "ndjson"],
    ["20261121T093000Z-day.xml.gz.rejects.ndjson", "epcis"],
    ["20261122T093000Z-2-20261121T093000Z-day.jsonld.rejects.ndjson.rejects.ndjson.gz", "epcis"],
    ["day.xml.ndjson", "ndjson"],
  ])("%s says what it is: %s", (name, kind) => {
    expect(kindOf(name)).toBe(kind);
  });

  it.each([
    ["sales.csv", ["sales.csv"]],
    ["20261121T093000Z-sales.csv", ["20261121T093000Z-sales.csv"]],
    ["20261121T093000Z-sales.csv.rejects.csv", ["sales.csv"]],
    ["20261121T093000Z-2-sales.csv.rejects.csv", ["2-sales.csv", "sales.csv"]],
    ["20261122T093000Z-20261121T093000Z-sales.csv.rejects.csv.rejects.csv", ["sales.csv"]],
  ])("%s tells what the file was called that it is from", (name, before) => {
    expect(namesBefore(name)).toEqual(before);
  });
});
