import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInstant } from "../../../kernel/index.ts";
import { timeParser } from "./time-format.ts";

function at(text: string, format: string, zone = "UTC"): string | undefined {
  const instant = timeParser(format, zone, "time")(text);
  return instant === undefined ? undefined : formatInstant(instant);
}

describe("timeParser", () => {
  it.each([
    ["2010-12-01 08:26:00", "yyyy-MM-dd HH:mm:ss", "2010-12-01T08:26:00.000Z"],
    ["2015-08-12 12:25:46.233000000", "yyyy-MM-dd HH:mm:ss[.S]", "2015-08-12T12:25:46.233Z"],
    ["2015-08-12 12:25:46", "yyyy-MM-dd HH:mm:ss[.S]", "2015-08-12T12:25:46.000Z"],
    ["12/1/2010 8:26", "M/d/yyyy H:mm", "2010-12-01T08:26:00.000Z"],
    ["01-Feb-2024 12:05 AM", "dd-MMM-yyyy hh:mm a", "2024-02-01T00:05:00.000Z"],
    ["01-feb-2024 12:05 pm", "dd-MMM-yyyy hh:mm a", "2024-02-01T12:05:00.000Z"],
    ["2024-02-29T10:00:00+05:30", "yyyy-MM-ddTHH:mm:ssXXX", "2024-02-29T04:30:00.000Z"],
    ["2024-02-29T10:00:00.5-01:00", "rfc3339", "2024-02-29T11:00:00.500Z"],
    ["1709200800", "unix", "2024-02-29T10:00:00.000Z"],
    ["1709200800123", "unix-ms", "2024-02-29T10:00:00.123Z"],
    ["20240229", "yyyyMMdd", "2024-02-29T00:00:00.000Z"],
  ])("reads %s as %s", (text, format, expected) => {
    expect(at(text, format)).toBe(expected);
  });

  it.each(["2023-02-29", "2024-13-01", "2024-1-01", "24-01-01", "", "2024-01-01x", "0"])(
    "reads no time from %j",
    (text) => {
      expect(at(text, "yyyy-MM-dd")).toBeUndefined();
    },
  );

  it("reads no time from milliseconds that are said to be seconds", () => {
    expect(at("1709200800123", "unix")).toBeUndefined();
  });

  it.each(["2024-01-01 24:00", "2024-01-01 10:60"])("reads no time from %s", (text) => {
    expect(at(text, "yyyy-MM-dd HH:mm")).toBeUndefined();
  });

  it.each([
    ["yyyy-QQ", 'time.format: "QQ" is unknown'],
    ["HH:mm", "time.format: has no year"],
    ["yyyy-MM-dd yyyy", "time.format: names one part of the time twice"],
  ])("refuses the format %s", (format, message) => {
    expect(() => timeParser(format, "UTC", "time")).toThrow(message);
  });

  it("refuses an unknown zone", () => {
    expect(() => timeParser("yyyy-MM-dd", "Mars/Olympus", "time")).toThrow('time.zone: "Mars/Olympus" is no time zone');
  });
});

describe("a zone's wall clock", () => {
  const local = "yyyy-MM-dd HH:mm";
  it.each([
    ["2017-03-12 01:59", "America/New_York", "2017-03-12T06:59:00.000Z"],
    // 02:00 to 03:00 did not come: moved forward by the hour that was skipped.
    ["2017-03-12 02:30", "America/New_York", "2017-03-12T07:30:00.000Z"],
    ["2017-03-12 03:00", "America/New_York", "2017-03-12T07:00:00.000Z"],
    // 01:00 to 02:00 came twice: the first is meant.
    ["2017-11-05 01:30", "America/New_York", "2017-11-05T05:30:00.000Z"],
    ["2017-11-05 02:00", "America/New_York", "2017-11-05T07:00:00.000Z"],
    ["2011-03-27 01:30", "Europe/London", "2011-03-27T01:30:00.000Z"],
    ["2011-07-01 12:00", "Europe/London", "2011-07-01T11:00:00.000Z"],
    ["2024-10-27 02:30", "Europe/Berlin", "2024-10-27T00:30:00.000Z"],
    // Half an hour, on the southern half of the globe; a transition at one minute past midnight; a skipped day.
    ["2024-10-06 02:15", "Australia/Lord_Howe", "2024-10-05T15:45:00.000Z"],
    ["2010-11-07 00:00", "America/St_Johns", "2010-11-07T02:30:00.000Z"],
    ["2011-12-30 12:00", "Pacific/Apia", "2011-12-30T22:00:00.000Z"],
    ["2024-06-01 12:00", "Asia/Kathmandu", "2024-06-01T06:15:00.000Z"],
  ])("shows %s in %s at %s", (text, zone, expected) => {
    expect(at(text, local, zone)).toBe(expected);
  });

  it("agrees with the runtime on every time that the clock showed once", () => {
    const zones = ["America/New_York", "Europe/London", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"];
    const minutes = fc.integer({ min: 0, max: (40 * 365 * 24 * 60) | 0 });
    fc.assert(
      fc.property(fc.constantFrom(...zones), minutes, (zone, minute) => {
        const instant = Date.UTC(1990, 0, 1) + minute * 60_000;
        const shown = wallText(instant, zone);
        const parsed = timeParser("yyyy-MM-dd HH:mm", zone, "time")(shown) ?? Number.NaN;
        // Either the very instant, or the earlier of two that the clock showed alike.
        expect(parsed).toBeLessThanOrEqual(instant);
        expect(wallText(parsed, zone)).toBe(shown);
      }),
      { numRuns: 400 },
    );
  });
});

function wallText(instant: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
  return format.format(instant);
}
