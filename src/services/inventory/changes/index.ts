export { Changes } from "./changes.ts";
export { happenedAt, isPublic, pairsIn, toCloudEvent } from "./cloud-events.ts";
export { recordedChanges, sequenceOfPosition } from "./recorded.ts";
