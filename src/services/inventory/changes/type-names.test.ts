import { describe, expect, it } from "vitest";
import { recordedSchemas } from "./recorded-schemas.ts";
import { unknownTypeIn } from "./type-names.ts";

describe("a choice of types of events", () => {
  it("may name all that Larder tells", () => {
    expect(unknownTypeIn(Object.keys(recordedSchemas))).toBeUndefined();
    expect(unknownTypeIn()).toBeUndefined();
  });

  it.each([
    ["larder.stock.solt.v1", "larder.stock.sold.v1"],
    ["stock.sold", "larder.stock.sold.v1"],
    ["reservation.confirm", "larder.reservation.confirmed.v1"],
  ])("is refused for %s, and told of %s", (type, meant) => {
    expect(unknownTypeIn(["larder.stock.sold.v1", type])).toEqual({
      code: "invalid-request",
      detail: `"${type}" is no type of event. Did you mean ${meant}?`,
    });
  });

  it("is told where all stand when nothing is near", () => {
    expect(unknownTypeIn(["shop.opened"])?.detail).toContain("docs/reference/events.md");
  });
});
