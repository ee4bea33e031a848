import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkDigit,
  type DescribeItem,
  decideItem,
  evolveItem,
  gtin14,
  type ItemState,
  noItem,
  parsePlu,
} from "./index.ts";

describe("gtin14", () => {
  it.each([
    ["96385074", "00000096385074"],
    ["614141007349", "00614141007349"],
    ["4006381333931", "04006381333931"],
    ["10614141007346", "10614141007346"],
  ])("keeps %s as 14 digits", (text, gtin) => {
    expect(gtin14(text)).toEqual({ ok: true, value: gtin });
  });

  it.each([
    ["0000000004530", "check digit should be 4"],
    ["00000000001111111111", "length 20"],
    ["", "length 0"],
    ["40063813339X1", "not digits"],
    ["٤٠٠٦٣٨١٣", "not digits"],
    [" 96385074", "not digits"],
    ["96385074\n", "not digits"],
  ])("refuses %j: %s", (text, reason) => {
    expect(gtin14(text)).toEqual({ ok: false, rejection: reason });
  });

  it("sees every single wrong digit", () => {
    const digits = fc.stringMatching(/^(\d{7}|\d{11}|\d{12}|\d{13})$/);
    fc.assert(
      fc.property(digits, fc.nat(), fc.integer({ min: 1, max: 9 }), (body, where, by) => {
        const gtin = body + checkDigit(body);
        expect(gtin14(gtin).ok).toBe(true);
        const index = where % gtin.length;
        const wrong = gtin.slice(0, index) + ((Number(gtin[index]) + by) % 10) + gtin.slice(index + 1);
        expect(gtin14(wrong).ok).toBe(false);
      }),
    );
  });
});

describe("parsePlu", () => {
  it.each(["3000", "4011", "4999", "94011", "83000"])("reads %s", (plu) => {
    expect(parsePlu(plu)).toEqual({ ok: true, value: plu });
  });

  it.each([
    ["401", "length 3"],
    ["940110", "length 6"],
    ["2999", "not 3000 to 4999, nor such a code after 8 or 9"],
    ["5000", "not 3000 to 4999, nor such a code after 8 or 9"],
    ["74011", "not 3000 to 4999, nor such a code after 8 or 9"],
    ["4O11", "not digits"],
    ["4011\n", "not digits"],
  ])("refuses %j: %s", (plu, reason) => {
    expect(parsePlu(plu)).toEqual({ ok: false, rejection: reason });
  });
});

describe("decideItem", () => {
  const tea: DescribeItem = { name: "Tea", unit: "each", gtins: ["4006381333931", "96385074"], plu: "4011" };
  const fields = { name: "Tea", unit: "each", gtins: ["00000096385074", "04006381333931"], plu: "4011" };

  function known(command: DescribeItem, state: ItemState = noItem): ItemState {
    const decided = decideItem(command, state);
    if (!decided.ok) throw new Error(decided.rejection.detail);
    return decided.value.reduce((current, event) => evolveItem(current, event, 7), state);
  }

  it("registers an item", () => {
    expect(decideItem(tea, noItem)).toEqual({ ok: true, value: [{ type: "ItemRegistered", data: fields }] });
    expect(known(tea)).toEqual({ fields, updatedAt: 7 });
  });

  it("registers an item with nothing but name and unit", () => {
    const decided = decideItem({ name: "Salt", unit: "g" }, noItem);
    const data = { name: "Salt", unit: "g", gtins: [], plu: null };
    expect(decided).toEqual({ ok: true, value: [{ type: "ItemRegistered", data }] });
  });

  it("says nothing when it knows already, in whatever form", () => {
    const gtins = ["00000096385074", "04006381333931", "96385074"];
    expect(decideItem({ ...tea, gtins }, known(tea))).toEqual({ ok: true, value: [] });
    const decomposed = known({ ...tea, name: "The\u0301" });
    expect(decideItem({ ...tea, name: "Th\u00e9" }, decomposed)).toEqual({ ok: true, value: [] });
  });

  it.each<[string, DescribeItem, object]>([
    ["name", { ...tea, name: "Green tea" }, { name: "Green tea" }],
    ["unit", { ...tea, unit: "g" }, { unit: "g" }],
    ["gtins", { ...tea, gtins: ["96385074"] }, { gtins: ["00000096385074"] }],
    ["plu", { name: "Tea", unit: "each", gtins: tea.gtins ?? [] }, { plu: null }],
  ])("changes the %s", (_, command, change) => {
    const value = [{ type: "ItemChanged", data: { ...fields, ...change } }];
    expect(decideItem(command, known(tea))).toEqual({ ok: true, value });
  });

  it("refuses wrong check digits by their own code", () => {
    const detail = "GTIN 96385075: check digit should be 4";
    expect(decideItem({ ...tea, gtins: ["4006381333931", "96385075"] }, noItem)).toEqual({
      ok: false,
      rejection: { code: "invalid-check-digit", detail, extra: { errors: [{ pointer: "/gtins/1", detail }] } },
    });
  });

  it("names everything that is wrong", () => {
    const decided = decideItem({ ...tea, gtins: ["96385075", "12"], plu: "1" }, noItem);
    expect(decided).toEqual({
      ok: false,
      rejection: {
        code: "invalid-request",
        detail: "GTIN 96385075: check digit should be 4; GTIN 12: length 2; PLU 1: length 1",
        extra: {
          errors: [
            { pointer: "/gtins/0", detail: "GTIN 96385075: check digit should be 4" },
            { pointer: "/gtins/1", detail: "GTIN 12: length 2" },
            { pointer: "/plu", detail: "PLU 1: length 1" },
          ],
        },
      },
    });
  });
});
