import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const home = process.env["LARDER_SHARED_DATA"] ?? fileURLToPath(new URL("../../../../../shared/data", import.meta.url));

/** A file of the data that is kept beside the project; says so when it is missing, and the test that asks is skipped. */
export function sharedFile(path: string): string {
  const file = `${home}/${path}`;
  if (!existsSync(file)) console.warn(`NOT CHECKED: ${file} is missing (LARDER_SHARED_DATA names its folder)`);
  return file;
}
