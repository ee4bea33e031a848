import type { Instant } from "../../../kernel/index.ts";

/** Wall-clock time as if it were UTC: milliseconds from 1970-01-01T00:00 on the same clock face. */
export type WallTime = number;

const day = 86_400_000;
const daysRemembered = 20_000;

/**
 * Turns a zone's wall-clock times into instants, as ISO 8601 calendars and java.time do by default: a time that the
 * clock skipped in spring moves forward by what was skipped (02:30 becomes 03:30); of a time that came twice in autumn,
 * the first is meant. Throws a RangeError for a zone that the runtime does not know.
 *
 * Offsets come from the runtime's zone database (Intl), which is slow to ask; days without a change near them, all but
 * a few a year, are remembered.
 */
export function zoneClock(zone: string): (wall: WallTime) => Instant {
  const offsetAt = offsetsOf(zone);
  const steadyDays = new Map<number, number | undefined>();

  const steadyOffset = (dayNumber: number): number | undefined => {
    if (steadyDays.has(dayNumber)) return steadyDays.get(dayNumber);
    if (steadyDays.size >= daysRemembered) steadyDays.clear();
    const before = offsetAt((dayNumber - 1) * day);
    const offset = before === offsetAt((dayNumber + 2) * day) ? before : undefined;
    steadyDays.set(dayNumber, offset);
    return offset;
  };

  return (wall) => {
    const steady = steadyOffset(Math.floor(wall / day));
    if (steady !== undefined) return wall - steady;
    const before = offsetAt(wall - day);
    const after = offsetAt(wall + day);
    // In an overlap both fit, and `before` is the earlier instant; in a gap neither does, and `before` moves it forward.
    const later = wall - after;
    const fitsBefore = offsetAt(wall - before) === before;
    return !fitsBefore && offsetAt(later) === after ? later : wall - before;
  };
}

/** Milliseconds that a zone's clock is ahead of UTC at an instant. */
function offsetsOf(zone: string): (instant: Instant) => number {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  return (instant) => {
    const name = format.formatToParts(instant).find((part) => part.type === "timeZoneName")?.value ?? "";
    const match = /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(name);
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = match ?? [];
    const size = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
    return sign === "-" ? -size : size;
  };
}
