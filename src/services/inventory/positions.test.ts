import { describe, expect, it } from "vitest";
import { formatPosition, parsePosition, positionToGoOnFrom } from "./positions.ts";

const first = { number: 1, id: "first", startsAfter: 0 };
const second = { number: 2, id: "second", startsAfter: 100 };
const third = { number: 3, id: "third", startsAfter: 110 };
const epochs = [first, second, third];
const head = 150;
const goesOnFrom = (token: string) => parsePosition(positionToGoOnFrom(token, epochs), epochs, head);

describe("a position that names no place in this history goes on", () => {
  it("after the last event that its history shares with this one, whatever restores came later", () => {
    expect(goesOnFrom(formatPosition([first], 120))).toEqual({ ok: true, value: 100 });
    expect(goesOnFrom(formatPosition([first, second], 120))).toEqual({ ok: true, value: 110 });
  });

  it("after what the furthest restore left, though it was not the first", () => {
    const back = [first, second, { number: 3, id: "third", startsAfter: 40 }];
    const token = positionToGoOnFrom(formatPosition([first], 120), back);
    expect(parsePosition(token, back, head)).toEqual({ ok: true, value: 40 });
  });

  it("from the beginning when it is of another log, or can't be read", () => {
    expect(goesOnFrom(formatPosition([{ number: 1, id: "other", startsAfter: 0 }], 120))).toEqual({
      ok: true,
      value: 0,
    });
    expect(goesOnFrom("?")).toEqual({ ok: true, value: 0 });
  });

  it("from where the current epoch began when it lies beyond the end of the log", () => {
    expect(goesOnFrom(formatPosition(epochs, 160))).toEqual({ ok: true, value: 110 });
  });
});
