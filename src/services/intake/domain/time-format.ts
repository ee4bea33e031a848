import { daysSinceEpoch, type Instant, isDate, lastInstant, parseInstant } from "../../../kernel/index.ts";
import { MappingError } from "./mapping-error.ts";
import { zoneClock } from "./zone.ts";

/** A pattern letter run, what it matches, and what it means for a row's time. */
const tokens: Readonly<Record<string, string>> = {
  yyyy: "(?<year>\\d{4})",
  MMM: "(?<monthName>[A-Za-z]{3})",
  MM: "(?<month>\\d{2})",
  M: "(?<month>\\d{1,2})",
  dd: "(?<day>\\d{2})",
  d: "(?<day>\\d{1,2})",
  HH: "(?<hour>\\d{2})",
  H: "(?<hour>\\d{1,2})",
  hh: "(?<hour12>\\d{2})",
  h: "(?<hour12>\\d{1,2})",
  a: "(?<half>[AaPp][Mm])",
  mm: "(?<minute>\\d{2})",
  ss: "(?<second>\\d{2})",
  S: "(?<fraction>\\d{1,9})",
  XXX: "(?<offset>Z|[+-]\\d{2}:\\d{2})",
};
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/**
 * Compiles a time format: `rfc3339`, `unix` (seconds), `unix-ms`, or a pattern of `yyyy MM M MMM dd d HH H hh h a mm ss S
 * XXX` with literal characters between; what stands in square brackets may be missing. `S` is any number of fraction
 * digits. A pattern with `XXX` needs no zone, one
 * without is read on the wall clock of `zone` (see `zoneClock` for the hours that come twice or never).
 *
 * The function gives undefined for a text that does not fit or is no time of the calendar. Throws `MappingError`.
 */
export function timeParser(format: string, zone: string, path: string): (text: string) => Instant | undefined {
  const toInstant = clockOf(zone, path);
  if (format === "rfc3339") return parseInstant;
  if (format === "unix" || format === "unix-ms") return epochParser(format === "unix" ? 1000 : 1);
  const pattern = compilePattern(format, path);
  return (text) => {
    const parts = pattern.exec(text)?.groups;
    const wall = parts && wallTime(parts);
    if (parts === undefined || wall === undefined) return undefined;
    return parts["offset"] === undefined ? toInstant(wall) : wall - offsetMs(parts["offset"]);
  };
}

function clockOf(zone: string, path: string) {
  try {
    return zoneClock(zone);
  } catch {
    throw new MappingError(`${path}.zone`, `"${zone}" is no time zone; name one as "Europe/London" or "UTC"`);
  }
}

function epochParser(scale: number): (text: string) => Instant | undefined {
  return (text) => {
    const instant = /^-?\d{1,14}(?:\.\d+)?$/.test(text) ? Math.floor(Number(text) * scale) : undefined;
    // Milliseconds that are read as seconds lie tens of thousands of years ahead.
    return instant === undefined || Math.abs(instant) > lastInstant ? undefined : instant;
  };
}

function compilePattern(format: string, path: string): RegExp {
  const pieces = format.match(/([A-Za-z])\1*|[^A-Za-z]/g) ?? [];
  const source = pieces.map((piece) => {
    if (piece === "[" || piece === "]") return piece === "[" ? "(?:" : ")?";
    if (!/[A-Za-z]/.test(piece) || piece === "T") return piece.replace(/[^A-Za-z0-9 ]/, "\\$&");
    const token = tokens[piece];
    if (token === undefined) {
      throw new MappingError(`${path}.format`, `"${piece}" is unknown; known are ${Object.keys(tokens).join(" ")}`);
    }
    return token;
  });
  const compiled = compileOnce(source.join(""), `${path}.format`);
  for (const needed of ["year", "month", "day"]) {
    if (!compiled.source.includes(`<${needed}`)) throw new MappingError(`${path}.format`, `has no ${needed}`);
  }
  return compiled;
}

function compileOnce(source: string, path: string): RegExp {
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new MappingError(path, "names one part of the time twice, or leaves a bracket open");
  }
}

function wallTime(parts: Readonly<Record<string, string | undefined>>): number | undefined {
  const { year = "", day = "", minute = "0", second = "0", fraction = "" } = parts;
  const month = parts["month"] ?? String(months.indexOf(parts["monthName"]?.toLowerCase() ?? "") + 1);
  const hour = hourOf(parts);
  const date = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  if (!isDate(date) || hour === undefined || Number(minute) > 59 || Number(second) > 59) return undefined;
  const seconds = hour * 3600 + Number(minute) * 60 + Number(second);
  const milliseconds = Number(fraction.padEnd(3, "0").slice(0, 3));
  return daysSinceEpoch(Number(year), Number(month), Number(day)) * 86_400_000 + seconds * 1000 + milliseconds;
}

function hourOf(parts: Readonly<Record<string, string | undefined>>): number | undefined {
  const { hour = "0", hour12, half } = parts;
  if (hour12 === undefined) return Number(hour) <= 23 ? Number(hour) : undefined;
  if (Number(hour12) < 1 || Number(hour12) > 12) return undefined;
  return (Number(hour12) % 12) + (half?.toLowerCase() === "pm" ? 12 : 0);
}

function offsetMs(offset: string): number {
  if (offset === "Z") return 0;
  const size = (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))) * 60_000;
  return offset.startsWith("-") ? -size : size;
}
