export { Changes } from "./changes.ts";
export { happenedAt, isPublic, pairsIn, recordedTypes, reservationType, toCloudEvent } from "./cloud-events.ts";
export { positionAt, recordedChanges, sequenceOfPosition } from "./recorded.ts";
