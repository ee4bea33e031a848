/** The setting that a database has while a log is copied into it: the id of that log's epoch. */
export const copyMark = "copying";
