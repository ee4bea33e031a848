export { Changes, seenBy, withoutOthers } from "./changes.ts";
export {
  findEvent,
  happenedAt,
  isPublic,
  recordedTypes,
  reservationType,
  toCloudEvent,
} from "./cloud-events.ts";
export { type LocationDescribed, locationDescribedBy, stockChangedBy, streamOfStock } from "./followed.ts";
export { recordedChanges, sequenceOfPosition } from "./recorded.ts";
export { unknownTypeIn } from "./type-names.ts";
