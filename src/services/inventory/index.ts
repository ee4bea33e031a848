export type {
  Caller,
  ChangesFilter,
  ChangesStep,
  Inventory,
  ReservationQuery,
  StockOptions,
  StockPair,
  StocksStep,
  ThenQuestion,
} from "./api.ts";
export { isVisible } from "./api.ts";
export { type ArchivePreparation, archivePreparation, coldColumns } from "./archiving/index.ts";
export { type Outgoing, secretContext } from "./catalog/catalog.ts";
export {
  type LocationDescribed,
  locationDescribedBy,
  recordedChanges,
  sequenceOfPosition,
  stockChangedBy,
  streamOfStock,
  unknownTypeIn,
} from "./changes/index.ts";
export { type EventSchemas, eventSchemas } from "./event-schemas.ts";
export { type FactType, factSchemas } from "./facts/schemas.ts";
export { type InventoryFigures, type InventoryOptions, type RunningInventory, startInventory } from "./inventory.ts";
export { type InventoryObserver, silentObserver } from "./observer.ts";
export { positionToGoOnFrom, publicVersion } from "./positions.ts";
export { errorsReference, eventsReference } from "./reference.ts";
export { inventoryMethods, remoteInventory } from "./remote.ts";
export { captureTags, inventoryTagging } from "./reservations/lists.ts";
export { lastSealIn } from "./seals/index.ts";
export {
  type Anchor,
  type Finding,
  isAnchor,
  type Verification,
  type VerifyOptions,
  verifyLog,
} from "./verification/index.ts";
export type {
  Availability,
  AvailabilityItem,
  FactsReceipt,
  FulfilLine,
  Item,
  ItemBody,
  ItemsReceipt,
  LocationBody,
  LocationView,
  Page,
  PolicyBody,
  PolicyView,
  RecordedCloudEvent,
  Reservation,
  ReservationLine,
  ReserveRequest,
  SourcingPlan,
  StockEvents,
  StockView,
} from "./wire.ts";
export * as wire from "./wire.ts";
