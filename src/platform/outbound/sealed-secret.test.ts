import { expect, it } from "vitest";
import { openSecret, sealSecret } from "./sealed-secret.ts";

const key = new Uint8Array(32).fill(7);
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

it("is opened by who sealed it, and says nothing before", () => {
  const sealed = sealSecret(key, "location leeds", secret);
  expect(openSecret(key, "location leeds", sealed)).toBe(secret);
  expect(Buffer.from(sealed.slice(3), "base64url").includes(secret.slice(6, 14))).toBe(false);
});

it("seals the same secret to the same text, and another to another", () => {
  expect(sealSecret(key, "a", secret)).toBe(sealSecret(key, "a", secret));
  expect(sealSecret(key, "a", secret)).not.toBe(sealSecret(key, "b", secret));
  expect(sealSecret(key, "a", secret).slice(0, 19)).not.toBe(sealSecret(key, "a", `${secret}x`).slice(0, 19));
});

it("stays shut with another key, for another use, and when a character was changed", () => {
  const sealed = sealSecret(key, "a", secret);
  expect(openSecret(new Uint8Array(32).fill(8), "a", sealed)).toBeUndefined();
  expect(openSecret(key, "b", sealed)).toBeUndefined();
  for (const place of [3, 20, sealed.length - 2]) {
    const other = sealed[place] === "A" ? "B" : "A";
    expect(openSecret(key, "a", sealed.slice(0, place) + other + sealed.slice(place + 1))).toBeUndefined();
  }
  for (const text of ["", "s1.", "s2.AAAA", secret]) expect(openSecret(key, "a", text)).toBeUndefined();
});
