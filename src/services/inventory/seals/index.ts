export { lastSeal, type Seal, SealChain, Sealer, sealStream } from "./seals.ts";
