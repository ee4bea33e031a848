import { limits, Type } from "../../kernel/index.ts";
import type { HttpServer } from "../../platform/http/index.ts";
import { type Inventory, wire } from "../inventory/index.ts";
import { answer, sendJson } from "./answer.ts";
import { named, operation, pageQuery, query } from "./docs.ts";

const reading = { config: { access: ["stock:read"] } } as const;
const item = named("Item", wire.Item);
const location = named("LocationView", wire.LocationView);

/** `/v1/items`: what a sku is, and its barcodes. */
export function itemRoutes(server: HttpServer, inventory: Inventory): void {
  const writing = { config: { access: ["stock:write"] } } as const;
  const params = Type.Object({ sku: wire.Sku });

  server.get(
    "/v1/items",
    { ...reading, schema: { ...docs.items, querystring: itemsQuery } },
    async (request, reply) => {
      const { gtin, limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(
        reply,
        gtin === undefined ? await inventory.items({ ...rest, limit }) : await inventory.itemsByGtin(gtin),
      );
    },
  );

  server.get("/v1/items/:sku", { ...reading, schema: { ...docs.item, params } }, async (request, reply) =>
    answer(reply, await inventory.item(request.params.sku)),
  );

  server.put(
    "/v1/items/:sku",
    { ...writing, schema: { ...docs.putItem, params, body: named("ItemBody", wire.ItemBody) } },
    async (request, reply) =>
      answer(reply, await inventory.putItem(request.params.sku, request.body, request.credential)),
  );

  server.post(
    "/v1/items::batch",
    { ...writing, schema: { ...docs.putItems, body: wire.ItemsBatchRequest } },
    async (request, reply) => sendJson(reply, await inventory.putItems(request.body.items, request.credential)),
  );
}

/** `/v1/locations`: the places that hold stock. */
export function locationRoutes(server: HttpServer, inventory: Inventory): void {
  const writing = { config: { access: ["sync:admin"] } } as const;
  const params = Type.Object({ id: wire.LocationId });

  server.get(
    "/v1/locations",
    { ...reading, schema: { ...docs.locations, querystring: locationsQuery } },
    async (request, reply) => {
      const { gln, limit = limits.pageRowsDefault, ...rest } = request.query;
      const { credential } = request;
      return answer(
        reply,
        gln === undefined
          ? await inventory.locations({ ...rest, limit }, credential)
          : await inventory.locationsByGln(gln, credential),
      );
    },
  );

  server.get("/v1/locations/:id", { ...reading, schema: { ...docs.location, params } }, async (request, reply) =>
    answer(reply, await inventory.location(request.params.id, request.credential)),
  );

  server.put(
    "/v1/locations/:id",
    { ...writing, schema: { ...docs.putLocation, params, body: named("LocationBody", wire.LocationBody) } },
    async (request, reply) =>
      answer(reply, await inventory.putLocation(request.params.id, request.body, request.credential)),
  );
}

const itemsQuery = query({
  gtin: Type.Optional(
    Type.String({
      pattern: "^[0-9]{8,14}$",
      description: "A barcode of 8, 12, 13 or 14 digits: the item that has it.",
    }),
  ),
  ...pageQuery,
});

const locationsQuery = query({
  gln: Type.Optional(Type.String({ pattern: "^[0-9]{13}$", description: "The location that has this GLN." })),
  ...pageQuery,
});

const docs = {
  items: operation({
    operationId: "listItems",
    tag: "Items",
    summary: "List items, or find one by its barcode",
    answers: { 200: { description: "A page.", schema: wire.page(item) } },
    problems: ["invalid-check-digit"],
  }),
  item: operation({
    operationId: "getItem",
    tag: "Items",
    summary: "Read an item",
    answers: { 200: { description: "The item.", schema: item } },
    problems: ["not-found"],
  }),
  putItem: operation({
    operationId: "putItem",
    tag: "Items",
    summary: "Set what a sku is",
    answers: { 200: { description: "The item.", schema: item } },
    problems: ["invalid-check-digit", "gtin-in-use"],
  }),
  putItems: operation({
    operationId: "putItems",
    tag: "Items",
    isRepeatable: true,
    summary: "Set up to 1,000 items",
    description: "Items as `{sku, name, unit, gtins?, plu?}`; each is judged by itself.",
    answers: {
      200: { description: "What was taken, and what not.", schema: named("ItemsReceipt", wire.ItemsReceipt) },
    },
  }),
  locations: operation({
    operationId: "listLocations",
    tag: "Locations",
    summary: "List locations, or find one by its GLN",
    answers: { 200: { description: "A page.", schema: wire.page(location) } },
  }),
  location: operation({
    operationId: "getLocation",
    tag: "Locations",
    summary: "Read a location",
    answers: { 200: { description: "The location.", schema: location } },
    problems: ["not-found"],
  }),
  putLocation: operation({
    operationId: "putLocation",
    tag: "Locations",
    summary: "Set what a location is",
    answers: { 200: { description: "The location.", schema: location } },
    problems: ["not-found", "invalid-check-digit", "gln-in-use"],
  }),
};
