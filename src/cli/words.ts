/** `1 event`, `2 events`; the plural of a noun takes an s unless another one is named. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
