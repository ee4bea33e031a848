/** Reads and counts go on around what can't be read here: a part of the archive that is missing or damaged. */
import { hasCode } from "../../../kernel/index.ts";

/**
 * Has many dealt with at once, and in ever smaller parts where the archive fails them, so that those go by themselves that
 * need what can't be read. May deal with an item more than once.
 */
export async function aroundUnreadable<T, R>(
  items: readonly T[],
  deal: (items: readonly T[]) => Promise<readonly R[]>,
  unreadable: (error: Error) => R,
): Promise<readonly R[]> {
  if (items.length === 0) return [];
  try {
    return await deal(items);
  } catch (error) {
    if (!(error instanceof Error && hasCode(error, "archive-unavailable"))) throw error;
    if (items.length === 1) return [unreadable(error)];
    const middle = items.length >> 1;
    return [
      ...(await aroundUnreadable(items.slice(0, middle), deal, unreadable)),
      ...(await aroundUnreadable(items.slice(middle), deal, unreadable)),
    ];
  }
}
