import type { Message } from "@bufbuild/protobuf";
import { RequestError } from "../../../platform/http/index.ts";

/** Refuses what this server does not know, anywhere in a message: it would be ignored, and the client would not know. */
export function refuseUnknown(message: Message): void {
  if (Array.isArray(message.$unknown) && message.$unknown.length > 0) {
    const numbers = message.$unknown.map(({ no }) => no).join(", ");
    throw new RequestError("invalid-request", `${message.$typeName} has no field of number ${numbers} here.`);
  }
  for (const [name, value] of Object.entries(message)) {
    // What a fact tells is JSON, whatever its members are called.
    if (message.$typeName === "larder.v1.Fact" && name === "data") continue;
    if (Array.isArray(value)) {
      for (const item of value) if (isMessage(item)) refuseUnknown(item);
    } else if (isMessage(value)) refuseUnknown(value);
    else if (isChoice(value) && isMessage(value.value)) refuseUnknown(value.value);
  }
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "$typeName" in value;
}

function isChoice(value: unknown): value is { readonly case: string; readonly value: unknown } {
  return typeof value === "object" && value !== null && "case" in value;
}
