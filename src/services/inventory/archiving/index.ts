export { type ArchivePreparation, archivePreparation } from "./preparation.ts";

/** The module that says what cold files hold for whoever queries them. */
export const coldColumns = new URL("./cold-columns.ts", import.meta.url);
