export {
  AvailabilityModel,
  type AvailabilityObserver,
  type AvailabilityRow,
  availabilityItem,
} from "./availability.ts";
