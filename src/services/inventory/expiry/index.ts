export { Expiry, type ExpiryObserver } from "./expiry.ts";
