import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { gtin14, parsePlu } from "./index.ts";

const home =
  process.env["LARDER_SHARED_DATA"] ?? fileURLToPath(new URL("../../../../../../shared/data", import.meta.url));
const barcodes = `${home}/gtin/off_barcodes_a.csv.gz`;
const invalidBarcodes = `${home}/expected/gtin/invalid_barcodes.csv.gz`;
const pluCodes = `${home}/plu/plu_codes.csv`;

/** Runs a check on real data, or says which of its files is missing. */
function withFiles(files: readonly string[], name: string, check: () => void): void {
  const missing = files.find((file) => !existsSync(file));
  if (missing === undefined) {
    it(name, check);
    return;
  }
  console.warn(`NOT CHECKED: ${name}: ${missing} is missing (LARDER_SHARED_DATA names its folder)`);
  it.skip(`${name}: ${missing} is missing`, check);
}

function rows(file: string): Record<string, string>[] {
  const bytes = readFileSync(file);
  return parse(file.endsWith(".gz") ? gunzipSync(bytes) : bytes, { columns: true });
}

describe("keys found in the world", () => {
  withFiles(
    [barcodes, invalidBarcodes],
    "99,566 barcodes: right ones are kept, wrong ones refused with the reason",
    () => {
      const gtins: string[] = [];
      const refused: string[] = [];
      for (const { barcode = "" } of rows(barcodes)) {
        const gtin = gtin14(barcode);
        if (gtin.ok) gtins.push(gtin.value);
        else refused.push(`${barcode}: ${gtin.rejection}`);
      }
      expect(gtins.length).toBe(98_925);
      expect(new Set(gtins).size).toBe(98_906);
      expect(refused.length).toBe(641);
      expect(refused.sort()).toEqual(
        rows(invalidBarcodes)
          .map(({ barcode, why }) => `${barcode}: ${why}`)
          .sort(),
      );
    },
  );

  withFiles([pluCodes], "1,520 PLU codes: all are read", () => {
    const codes = rows(pluCodes).map(({ plu = "" }) => plu);
    expect(codes.length).toBe(1_520);
    expect(codes.filter((code) => !parsePlu(code).ok || !parsePlu(`9${code}`).ok)).toEqual([]);
  });
});
