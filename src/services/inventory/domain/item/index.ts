export { checkDigit, gtin14 } from "./gtin.ts";
export {
  type DescribeItem,
  decideItem,
  evolveItem,
  type ItemEvent,
  type ItemFields,
  type ItemState,
  noItem,
  type Unit,
} from "./item.ts";
export { parsePlu } from "./plu.ts";
