/** What names of members and parameters mean to the server: values that it knows, and tokens that it has told. */
import { epcisDocument } from "./epcis-bodies.ts";
import { type House, knownGln, knownGtin, locations, skus } from "./house.ts";
import { mutateBytes } from "./odd.ts";
import type { Random } from "./random.ts";

/** What the server has told so far, to be handed back, whole or spoilt. */
export interface Told {
  readonly positions: string[];
  readonly cursors: string[];
  readonly keyIds: string[];
  readonly reservationIds: string[];
  readonly webhookIds: string[];
  readonly captureIds: string[];
  readonly reconciliationIds: string[];
}

export function nothingTold(): Told {
  return {
    positions: [],
    cursors: [],
    keyIds: [],
    reservationIds: [],
    webhookIds: [],
    captureIds: [],
    reconciliationIds: [],
  };
}

/** What a name means to the server; undefined when anything of its schema will do. */
export function meaningOf(name: string, operation: string, random: Random, house: House, told: Told): unknown {
  switch (name) {
    case "sku":
    case "skus":
      return random.pick(skus);
    case "location":
    case "locations":
    case "from":
    case "to":
      return random.pick(locations);
    case "id":
      if (operation === "getEpcisCaptureJob") return told.captureIds.length > 0 ? random.pick(told.captureIds) : "j0";
      if (operation === "revokeKey") return told.keyIds.length > 0 ? random.pick(told.keyIds) : "k0";
      if (operation === "getReconciliation")
        return told.reconciliationIds.length > 0 ? random.pick(told.reconciliationIds) : "r0";
      if (operation.includes("DeadLetter")) return random.pick(house.deadLetterIds);
      if (operation.includes("Webhook")) return told.webhookIds.length > 0 ? random.pick(told.webhookIds) : "w0";
      if (operation.endsWith("Location") || operation === "putLocation") return random.pick(locations);
      if (operation !== "reserve" && told.reservationIds.length > 0 && random.chance(0.8))
        return random.pick(told.reservationIds);
      // Few, so that one is asked for again, with another body too.
      return `r${random.below(6)}`;
    case "queue":
      return random.pick(["intake", "intake", "epcis", "nobody's"]);
    case "reservation":
      return `r${random.below(12)}`;
    case "source":
    case "sources":
      return random.pick(["till", "opening"]);
    case "owner":
    case "reference":
    case "transfer":
    case "order":
      return `${name}-${random.below(6)}`;
    case "lot":
      return random.pick(["L1", "L2", "unknown"]);
    case "cursor":
      return tampered(told.cursors, random);
    case "after":
    case "last-event-id":
    case "larder-min-position":
      return tampered(told.positions, random);
    case "idempotency-key":
      return `k${random.below(4)}`;
    case "accept":
      return random.pick(["application/x-ndjson", "*/*", "text/event-stream"]);
    case "gtin":
    case "gtins":
      return random.pick(["4006381333931", "96385074", "036000291452", "00012345600012"]);
    case "plu":
      return random.pick(["4011", "94011", "3000"]);
    case "expiresOn":
    case "dueOn":
    case "sellableUntil":
      return random.pick(["2026-11-21", "2026-11-30", "2026-12-24", "2028-02-29"]);
    case "expiresAt":
      return "2030-01-01T00:00:00Z";
    case "time":
    case "asOf":
    case "at":
    case "knownAt":
      return new Date(house.now + random.between(-7200, 900) * 1000).toISOString();
    case "timeZone":
      return random.pick(["UTC", "Europe/Berlin", "Pacific/Kiritimati"]);
    case "unit":
      return random.pick(["each", "g", "ml"]);
    case "quantity":
      return random.chance(0.9) ? random.between(1, 3) : random.pick([100, 1e6, 1e12]);
    case "safetyStock":
    case "lowAt":
    case "backorderLimit":
      return random.chance(0.9) ? random.below(4) : random.pick([1e3, 1e12]);
    case "captureEpcis":
      return epcisDocument(random, house);
    case "gs1-capture-error-behaviour":
      return random.pick(["rollback", "proceed"]);
    case "gs1-epcis-version":
      return "2.0.0";
    case "gln":
      return random.pick([knownGln, "9506000134376"]);
    case "leaveOut":
      return ["departing"];
    case "nextPageToken":
      return tampered(operation === "queryEpcisEvents" ? told.positions : ["1", "7"], random);
    case "eventID":
      return `urn:larder:event:memory-${random.between(1, 60)}`;
    case "GE_eventTime":
    case "LT_eventTime":
    case "GE_recordTime":
    case "LT_recordTime":
      return new Date(house.now + random.between(-7200, 900) * 1000).toISOString();
    case "EQ_bizStep":
      return random.pick(["receiving|retail_selling", "shipping"]);
    case "EQ_bizLocation":
    case "EQ_readPoint":
      return `https://id.gs1.org/414/${knownGln}`;
    case "MATCH_epcClass":
    case "MATCH_anyEPCClass":
      return random.pick([`https://id.gs1.org/01/${knownGtin}/10/L1`, "urn:epc:idpat:sgtin:4006381.033393.*"]);
    case "before":
      return random.pick(["2020-02-29", "2026-11-01"]);
    case "expiringDays":
      return random.pick([0, 1, 3, 3650]);
    case "url":
      return "https://example.com/larder";
    default:
      return undefined;
  }
}

/** A token handed back, sometimes not as it was. */
export function tampered(tokens: readonly string[], random: Random): string {
  if (tokens.length === 0 || random.chance(0.1))
    return random.pick(["x", "MS4x", "AAAA", "eyJ9", "0000000000000001", "1.a.1"]);
  const token = random.pick(tokens);
  return random.chance(0.7) ? token : mutateBytes(Buffer.from(token), random, 1).toString("base64url");
}
