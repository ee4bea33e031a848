export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | null | undefined;
}

/** Rows under titles, in columns as wide as their longest text; numbers stand on the right. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const cells = rows.map((row) => columns.map((column) => column.of(row) ?? ""));
  const widths = columns.map((column, index) =>
    cells.reduce((width, row) => Math.max(width, String(row[index]).length), column.title.length),
  );
  const line = (row: readonly (string | number)[]) =>
    row
      .map((cell, index) => pad(cell, widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const titles = columns.map(({ title }, index) => {
    const isNumeric = cells.length > 0 && cells.every((row) => typeof row[index] === "number");
    return isNumeric ? title.padStart(widths[index] ?? 0) : title;
  });
  return [line(titles), ...cells.map(line)];
}

function pad(cell: string | number, width: number): string {
  return typeof cell === "number" ? String(cell).padStart(width) : cell.padEnd(width);
}
