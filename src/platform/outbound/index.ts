export { addressesIn, addressListProblem } from "./addresses.ts";
export {
  type Outbound,
  type OutboundAnswer,
  type OutboundCall,
  OutboundClient,
  type OutboundOptions,
} from "./client.ts";
export { type DeliverySettings, deliveryPolicy } from "./delivery-policy.ts";
export { OutboundError, type OutboundFailure } from "./failure.ts";
export { type Resolve, systemResolver } from "./resolver.ts";
export { openSecret, sealSecret } from "./sealed-secret.ts";
export { isSigned, type Signed, secretProblem, signatureHeaders, webhookSecret } from "./signature.ts";
