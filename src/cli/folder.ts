/** Folders as commands are given them. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isPostgresUrl, withoutLogin } from "../platform/config/index.ts";
import { wrongUse } from "./failure.ts";

/** A path. An address is refused: it would be taken for the name of a folder, which is made and told, its password too. */
export function folderNamed(text: string): string {
  if (!isAddress(text)) return text;
  throw wrongUse(
    `${withoutLogin(text)} is an address, and a folder is needed here. A log in PostgreSQL is looked after by other means: docs/operations/postgresql.md.`,
  );
}

/** Where a log is: a folder, or the address of a PostgreSQL database. */
export function logPlaceNamed(text: string): string {
  if (!isAddress(text) || isPostgresUrl(text)) return text;
  throw wrongUse(`${withoutLogin(text)} is neither a folder nor postgres://user:password@host:port/database.`);
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

/** The folder itself when something is there, else the nearest one above it, in which it would be made. */
export function nearestPlace(folder: string): string {
  let place = resolve(folder);
  while (!existsSync(place)) place = dirname(place);
  return place;
}

/** Why a folder can't be written or made; undefined when it can. */
export function folderTrouble(folder: string): string | undefined {
  const place = nearestPlace(folder);
  if (!statSync(place).isDirectory()) return `${place} is a file, where a folder should be; move it away`;
  try {
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return `${place} can't be written by this user; change its owner`;
  }
}
