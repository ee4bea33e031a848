/** Anchors: the last seal of a log, kept in a file apart from it, so that a cut tail shows. */
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from "node:fs";
import type { Anchor } from "../services/inventory/index.ts";
import { Failure, messageOf } from "./failure.ts";

/** Throws `Failure` when the file is not there or holds no seal. */
export async function readAnchor(path: string): Promise<Anchor> {
  const { isAnchor } = await import("../services/inventory/index.ts");
  let anchor: unknown;
  try {
    anchor = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Failure(`The anchor ${path} can't be read: ${messageOf(error)}.`);
  }
  if (!isAnchor(anchor))
    throw new Failure(
      `${path} is no anchor: \`larder verify --write-anchor\` makes one, and so does \`larder backup\`.`,
    );
  return anchor;
}

/** Writes it so that it survives a loss of power; throws `Failure` when it can't. */
export function writeAnchor(path: string, anchor: Anchor): void {
  try {
    const descriptor = openSync(path, "w");
    try {
      writeFileSync(descriptor, `${JSON.stringify(anchor)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new Failure(`The anchor ${path} can't be written: ${messageOf(error)}.`);
  }
}
