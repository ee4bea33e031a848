import type { Caller } from "../api.ts";
import type { Reservation } from "../domain/reservation/index.ts";

/** Whether a caller may know that a reservation exists: one limited to locations sees what lies wholly in them. */
export function maySee(state: Reservation, caller: Caller): boolean {
  if (state.status === undefined || (caller.ownReservations && state.actor !== caller.id)) return false;
  const { locations } = caller;
  return locations === undefined || state.allocations.every(({ location }) => locations.has(location));
}
