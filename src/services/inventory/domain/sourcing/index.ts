export { planSourcing } from "./plan.ts";
export {
  type Allocation,
  type Demand,
  endOfDates,
  type Place,
  type Plan,
  type PlanRequest,
  type Position,
  type Shortage,
  type StrategyName,
  type Supply,
} from "./types.ts";
