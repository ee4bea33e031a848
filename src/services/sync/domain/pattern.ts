/**
 * Whether a text fits a pattern, in which `*` stands for any run of characters, also none, and all else for itself. Takes
 * at most length × length steps, whatever the pattern.
 */
export function fits(pattern: string, text: string): boolean {
  let [at, inText] = [0, 0];
  // Where the last star stands, and how much of the text it has taken so far.
  let [star, taken] = [-1, 0];
  while (inText < text.length) {
    if (pattern[at] === "*") {
      star = at;
      taken = inText;
      at += 1;
    } else if (at < pattern.length && pattern[at] === text[inText]) {
      at += 1;
      inText += 1;
    } else if (star >= 0) {
      taken += 1;
      at = star + 1;
      inText = taken;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
