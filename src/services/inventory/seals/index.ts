export { lastSeal, lastSealIn, type Seal, SealChain, Sealer, sealOf, sealStream } from "./seals.ts";
