/** EPCIS documents about what the fuzzed house has, in both notations. */
import { type House, knownGln, knownGtin } from "./house.ts";
import type { Random } from "./random.ts";

/** A document of a few events; the same few ids, so that some come again and some clash. */
export function epcisDocument(random: Random, house: House): object {
  const events = random.list(1, 3, () => epcisEvent(random, house));
  if (random.chance(0.2)) return events;
  return { type: "EPCISDocument", schemaVersion: "2.0", epcisBody: { eventList: events } };
}

function epcisEvent(random: Random, house: House): object {
  const at = new Date(house.now - random.below(7200) * 1000).toISOString();
  return {
    type: "ObjectEvent",
    ...(random.chance(0.7) && { eventID: `urn:uuid:${random.below(40)}` }),
    eventTime: at,
    eventTimeZoneOffset: "+00:00",
    action: random.pick(["ADD", "OBSERVE", "DELETE"]),
    bizStep: random.pick(["receiving", "commissioning", "retail_selling", "cycle_counting", "holding", "shipping"]),
    disposition: random.pick(["in_progress", "damaged", "returned", "sellable_accessible"]),
    readPoint: { id: random.pick([`https://id.gs1.org/414/${knownGln}`, "urn:larder:location:s2", "urn:x:elsewhere"]) },
    quantityList: [
      {
        epcClass: random.pick([`https://id.gs1.org/01/${knownGtin}/10/L1`, "urn:larder:item:bread", "urn:x:thing"]),
        quantity: random.between(0, 9),
      },
    ],
    ...(random.chance(0.1) && { errorDeclaration: { declarationTime: at } }),
  };
}

/** As `epcisDocument`, one event in XML. */
export function epcisXml(random: Random, house: House): string {
  const at = new Date(house.now - random.below(7200) * 1000).toISOString();
  return `<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0"><EPCISBody><EventList><ObjectEvent>
<eventTime>${at}</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><eventID>urn:uuid:${random.below(40)}</eventID>
<action>OBSERVE</action><bizStep>urn:epcglobal:cbv:bizstep:${random.pick(["receiving", "retail_selling"])}</bizStep>
<readPoint><id>https://id.gs1.org/414/${knownGln}</id></readPoint><quantityList><quantityElement>
<epcClass>https://id.gs1.org/01/${knownGtin}</epcClass><quantity>${random.between(1, 9)}</quantity>
</quantityElement></quantityList></ObjectEvent></EventList></EPCISBody></e:EPCISDocument>`;
}
