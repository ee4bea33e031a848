export { type Anchor, type Finding, isAnchor, type Verification, type VerifyOptions, verifyLog } from "./verify.ts";
