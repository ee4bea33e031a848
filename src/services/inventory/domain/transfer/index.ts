export {
  type Consignment,
  consignmentOf,
  evolveTransfer,
  inTransit,
  type LotUnderWay,
  lotsArriving,
  noTransfer,
  type Transfer,
  type TransferEvent,
} from "./transfer.ts";
