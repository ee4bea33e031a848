export { lastSeal, type Seal, SealChain, Sealer, sealOf, sealStream } from "./seals.ts";
