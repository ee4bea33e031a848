export {
  type Consignment,
  consignmentKey,
  evolveTransfer,
  inTransit,
  noTransfer,
  type Transfer,
  type TransferEvent,
} from "./transfer.ts";
