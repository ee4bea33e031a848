import { create } from "@bufbuild/protobuf";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { limits } from "../../../kernel/index.ts";
import { bodyCheck } from "../../../platform/http/index.ts";
import { type Availability, type Inventory, wire } from "../../inventory/index.ts";
import { atMost, type CallRules, listed, Refused, unary } from "./calls.ts";
import * as proto from "./generated/larder/v1/availability_pb.js";
import { timestampOf } from "./reservations.ts";

const check = bodyCheck(wire.AvailabilityBatchRequest);

export function availabilityService(inventory: Inventory, rules: CallRules): UntypedServiceImplementation {
  return {
    GetAvailability: unary(rules, ["stock:read"], async (request: proto.GetAvailabilityRequest, caller) => {
      atMost(request.skus.length, limits.batchItemsMax, "skus");
      const { skus, locations } = check({ skus: request.skus, ...listed("locations", request.locations) });
      const outcome = await inventory.availability(skus, locations, caller, request.minPosition);
      if (!outcome.ok) throw new Refused(outcome.rejection);
      const { items, position } = outcome.value;
      return create(proto.GetAvailabilityResponseSchema, { items: items.map(itemOf), position });
    }),
  };
}

function itemOf(item: Availability["items"][number]): proto.Availability {
  if ("known" in item) return create(proto.AvailabilitySchema, { sku: item.sku, known: false });
  const { sku, location, updatedAt, version, ...quantities } = item;
  const { available, onHand, unavailable, reserved, committed, safetyStock, incoming } = quantities;
  return create(proto.AvailabilitySchema, {
    ...{ sku, location, known: true },
    available: BigInt(available),
    onHand: BigInt(onHand),
    unavailable: BigInt(unavailable),
    reserved: BigInt(reserved),
    committed: BigInt(committed),
    safetyStock: BigInt(safetyStock),
    incoming: BigInt(incoming),
    updatedAt: timestampOf(updatedAt),
    version: BigInt(version),
  });
}
