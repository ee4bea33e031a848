export { Changes } from "./changes.ts";
export { happenedAt, isPublic, pairsIn, recordedTypes, reservationType, toCloudEvent } from "./cloud-events.ts";
export { recordedChanges, sequenceOfPosition } from "./recorded.ts";
export { type LocationDescribed, locationDescribedBy, stockChangedBy } from "./followed.ts";
