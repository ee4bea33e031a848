import { daysSinceEpoch, type Instant } from "../../../kernel/index.ts";

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether this machine knows a time zone by its IANA name. */
export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The instant at which a date ends in a time zone: the first that shows the next date. */
export function endOfDate(date: string, timeZone: string): Instant {
  return startOfDay(dayOf(date) + 1, timeZone);
}

/** The first instant of the date that lies some days before another. */
export function startOfDateBefore(date: string, days: number, timeZone: string): Instant {
  return startOfDay(dayOf(date) - days, timeZone);
}

/** Days from 1970-01-01 to a date. */
function dayOf(date: string): number {
  const [year = 0, month = 0, day = 0] = date.split("-").map(Number);
  return daysSinceEpoch(year, month, day);
}

function startOfDay(day: number, timeZone: string): Instant {
  const midnight = day * 86_400_000;
  if (timeZone === "UTC") return midnight;
  // By the offset in force after midnight; where clocks jump over midnight, even by a day, by the one before it.
  const early = midnight - offsetAt(midnight - 86_400_000, timeZone);
  const guess = midnight - offsetAt(early, timeZone);
  return Math.max(guess, midnight - offsetAt(guess, timeZone));
}

/** Milliseconds that a zone is ahead of UTC at an instant. */
function offsetAt(instant: Instant, timeZone: string): number {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  const local = (daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000;
  return local - Math.floor(instant / 1000) * 1000;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}
