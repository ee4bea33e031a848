import { existsSync, readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { parseGs1Key } from "../domain/epcis/keys.ts";
import { sharedFile } from "./examples.fixture.ts";

const keys = sharedFile("expected/epcis/gs1_keys.csv");

describe("GS1 keys", () => {
  it.skipIf(!existsSync(keys))("are what the expected file says of all 67", () => {
    const rows: Record<string, string>[] = parse(readFileSync(keys), { columns: true });
    const found = rows.map(({ uri = "" }) => {
      const key = parseGs1Key(uri);
      if (!key.ok) return [uri, key.rejection];
      const { value } = key;
      if (value.kind === "trade-item") return [uri, "GTIN-14", value.gtin];
      if (value.kind === "place" || value.kind === "party") return [uri, "GLN", value.gln];
      return value.kind === "logistic-unit" ? [uri, "SSCC", value.sscc] : [uri, value.kind];
    });
    expect(found).toEqual(rows.map(({ uri, key_type, key }) => [uri, key_type, key]));
    expect(rows.length).toBe(67);
  });

  it.each<[string, object]>([
    ["urn:epc:id:sgtin:0614141.107346.20%2F17", { kind: "trade-item", gtin: "10614141073464", serial: "20/17" }],
    ["urn:epc:class:lgtin:4012345.012345.A.7", { kind: "trade-item", gtin: "04012345123456", lot: "A.7" }],
    ["urn:epc:idpat:sgtin:4012345.098765.*", { kind: "trade-item", gtin: "04012345987652" }],
    ["urn:epc:idpat:sgtin:4012345.*.*", { kind: "other" }],
    ["urn:epc:id:upui:4012345.012345.51qI%3CJ", { kind: "trade-item", gtin: "04012345123456", tpx: "51qI<J" }],
    [
      "https://id.gs1.org/01/04012345123456/235/51qI%3CJ",
      { kind: "trade-item", gtin: "04012345123456", tpx: "51qI<J" },
    ],
    ["urn:epc:id:itip:4012345.012345.01.02.987", { kind: "piece", gtin: "04012345123456" }],
    ["urn:epc:id:sgln:0614141.00777.0", { kind: "place", gln: "0614141007776" }],
    ["urn:epc:id:sgln:061414100777..A1", { kind: "place", gln: "0614141007776", extension: "A1" }],
    ["urn:epc:id:giai:4000001.111", { kind: "other" }],
    [
      "https://shop.example/a/01/x/01/04012345123456/10/99%2F8/21/7",
      { kind: "trade-item", gtin: "04012345123456", lot: "99/8", serial: "7" },
    ],
    [
      "http://id.gs1.org/01/4012345123456?17=270200&x=1#top",
      { kind: "trade-item", gtin: "04012345123456", expiresOn: "2027-02-28" },
    ],
    ["https://id.gs1.org/414/4012345000054/254/dock", { kind: "place", gln: "4012345000054", extension: "dock" }],
    ["https://id.gs1.org/417/4012345000054", { kind: "party", gln: "4012345000054" }],
    ["https://id.gs1.org/00/106141412345678908", { kind: "logistic-unit", sscc: "106141412345678908" }],
    ["https://id.gs1.org/8006/040123451234560102/21/9", { kind: "piece", gtin: "04012345123456", serial: "9" }],
    ["https://id.gs1.org/8004/4000001111", { kind: "other" }],
    ["https://example.com/01/tea", { kind: "other" }],
    ["geo:42.698334,23.319941", { kind: "other" }],
    ["  urn:epc:id:sscc:0614141.1234567890\n", { kind: "logistic-unit", sscc: "106141412345678908" }],
  ])("reads %s", (uri, value) => {
    expect(parseGs1Key(uri)).toEqual({ ok: true, value });
  });

  it.each([
    ["urn:epc:id:sgtin:0614141.10734.1", "holds no GTIN"],
    ["urn:epc:id:sgtin:061414a.107346.1", "holds no GTIN"],
    ["urn:epc:id:sgtin:0614141.107346.%ZZ", "has no readable lot or serial"],
    ["urn:epc:id:sgtin:0614141.107346", "has no readable lot or serial"],
    ["urn:epc:id:upui:4012345.012345.", "has no readable serial"],
    ["urn:epc:id:sgln:0614141.0777.0", "is no SGLN"],
    ["urn:epc:id:sscc:0614141.123456789", "is no SSCC"],
    ["https://id.gs1.org/01/04012345123457", "has a wrong check digit"],
    ["https://id.gs1.org/414/4012345000055", "has a wrong check digit"],
    ["https://id.gs1.org/417/4012345000055", "has a wrong check digit"],
    ["https://id.gs1.org/00/106141412345678909", "has a wrong check digit"],
    ["https://id.gs1.org/8006/040123451234570102", "has a wrong check digit"],
    ["https://id.gs1.org/01/04012345123456?17=271340", "has no date in (17)"],
  ])("refuses %s: %s", (uri, reason) => {
    expect(parseGs1Key(uri)).toEqual({ ok: false, rejection: `${uri} ${reason}` });
  });
});
