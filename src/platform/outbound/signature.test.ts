import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { isSigned, secretProblem, signatureHeaders, webhookSecret } from "./index.ts";

const key = fc.uint8Array({ minLength: 24, maxLength: 64 });
const body = fc.string({ unit: "grapheme" });
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);

describe("signatures", () => {
  it("are those of the standard's own library, each way", () => {
    fc.assert(
      fc.property(key, id, body, (bytes, messageId, text) => {
        const secret = webhookSecret(bytes);
        const now = Date.now();
        const library = new Webhook(secret);
        const headers = signatureHeaders([secret], { id: messageId, at: now, body: text });
        library.verify(text, headers, { jsonParse: false });
        const theirs = { ...headers, "webhook-signature": library.sign(messageId, new Date(now), text) };
        expect(isSigned(secret, theirs, text, now)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("are the one that the standard's text gives as its example", () => {
    const headers = signatureHeaders(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      at: 1_614_265_330_999,
      body: '{"test": 2432232314}',
    });
    expect(headers).toEqual({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
  });

  it("of two secrets are accepted by whoever has either", () => {
    const [old, next, other] = [
      webhookSecret(randomBytes(32)),
      webhookSecret(randomBytes(32)),
      webhookSecret(randomBytes(32)),
    ];
    const headers = signatureHeaders([next, old], { id: "m1", at: 1_000_000, body: "{}" });
    expect([old, next, other].map((secret) => isSigned(secret, headers, "{}", 1_000_000))).toEqual([true, true, false]);
  });

  it("are not accepted for other content, another id, another time, or when they are old", () => {
    const secret = webhookSecret(randomBytes(32));
    const at = 1_800_000_000_000;
    const headers = signatureHeaders([secret], { id: "m1", at, body: "{}" });
    const signed = (changed: object, text = "{}", now = at) => isSigned(secret, { ...headers, ...changed }, text, now);
    expect(signed({})).toBe(true);
    expect(signed({}, "{ }")).toBe(false);
    expect(signed({ "webhook-id": "m2" })).toBe(false);
    expect(signed({ "webhook-timestamp": String(at / 1000 + 1) })).toBe(false);
    expect(signed({}, "{}", at + 300_001)).toBe(false);
    expect(signed({}, "{}", at - 300_001)).toBe(false);
    for (const wrong of ["", "v1,", "v2,abc", headers["webhook-signature"]?.slice(3), undefined])
      expect(signed({ "webhook-signature": wrong }), String(wrong)).toBe(false);
    expect(signed({ "webhook-timestamp": undefined })).toBe(false);
  });

  it("need a secret of enough bytes", () => {
    expect(secretProblem(webhookSecret(randomBytes(24)))).toBeUndefined();
    expect(secretProblem(webhookSecret(randomBytes(64)))).toBeUndefined();
    for (const wrong of [
      webhookSecret(randomBytes(23)),
      webhookSecret(randomBytes(65)),
      "whsec_",
      "",
      "whsec_!!!!",
      "secret",
      randomBytes(32).toString("base64"),
    ])
      expect(secretProblem(wrong), wrong).toContain("must be whsec_");
  });
});
