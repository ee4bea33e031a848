import { describe, expect, it } from "vitest";
import { endOfDate, isTimeZone } from "./time-zones.ts";

const hour = 3_600_000;

/** The date that clocks show in a zone, by the platform's own formatting. */
function shownBy(timeZone: string): (instant: number) => string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return (instant) => format.format(instant);
}

/** The first instant that shows a later date, found without knowing any offset: by halves within each quarter hour. */
function firstAfter(date: string, shown: (instant: number) => string): number {
  const utc = Date.parse(`${date}T00:00:00Z`);
  let before = utc - 16 * hour;
  while (shown(before + hour / 4) <= date) before += hour / 4;
  let after = before + hour / 4;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (shown(middle) <= date) before = middle;
    else after = middle;
  }
  return after;
}

const cases: readonly (readonly [string, number])[] = [
  ["Europe/London", 2026],
  ["America/New_York", 2026],
  ["America/Sao_Paulo", 2018], // clocks went from 24:00 to 1:00 in November and from 24:00 to 23:00 in February
  ["Pacific/Apia", 2011], // had no 30 December
  ["Asia/Kathmandu", 2026],
  ["Africa/Cairo", 2024], // summer time begins at 0:00 and ends at 24:00
  ["Australia/Lord_Howe", 2026], // half an hour of summer time
  ["America/St_Johns", 2006], // changed at 0:01
];

describe("the end of a date", () => {
  it.each(cases)("is the first instant that shows a later one: %s, all of %i", (timeZone, year) => {
    const shown = shownBy(timeZone);
    const wrong: unknown[] = [];
    for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += 24 * hour) {
      const date = new Date(day).toISOString().slice(0, 10);
      const expected = firstAfter(date, shown);
      const found = endOfDate(date, timeZone);
      if (found !== expected) wrong.push({ date, found: new Date(found), expected: new Date(expected) });
    }
    expect(wrong).toEqual([]);
  });

  it("is midnight in UTC", () => {
    expect(endOfDate("2026-12-31", "UTC")).toBe(Date.parse("2027-01-01T00:00:00Z"));
    expect(endOfDate("2024-02-28", "Etc/UTC")).toBe(Date.parse("2024-02-29T00:00:00Z"));
  });
});

describe("time zones", () => {
  it("are known by their IANA names", () => {
    expect([isTimeZone("Europe/London"), isTimeZone("UTC"), isTimeZone("Mars/Olympus")]).toEqual([true, true, false]);
  });
});
