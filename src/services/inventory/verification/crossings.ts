/** Whether a log tells of each threshold that a decision crossed, once, and of no other. */
import { available, crossing, type Level, levelOf, type Stock, type StockEvent } from "../domain/stock/index.ts";

interface ChangedStock {
  readonly stock: Stock;
  readonly level: Level;
  readonly was: number;
  /** Told of in the unit. */
  readonly told: string[];
}

export class Crossings {
  readonly #changed = new Map<string, ChangedStock>();
  /** A log may begin with what was written before there were such events: nothing is missing there. */
  #mustTell = false;

  /** Called before an event of a unit is added to its stock. */
  add(stream: string, stock: Stock, { type }: StockEvent): void {
    let changed = this.#changed.get(stream);
    if (changed === undefined) {
      changed = { stock, level: levelOf(stock), was: available(stock), told: [] };
      this.#changed.set(stream, changed);
    }
    if (!isCrossing(type)) return;
    changed.told.push(type);
    this.#mustTell = true;
  }

  /** Ends a unit; what is wrong in it, a sentence each. */
  end(): string[] {
    const problems: string[] = [];
    for (const [stream, { stock, level, was, told }] of this.#changed) {
      const right = crossing(level, was, stock, undefined)?.type;
      const isRight = right === undefined ? told.length === 0 : told.length === 1 && told[0] === right;
      if (isRight || !this.#mustTell) continue;
      const says = told.length === 0 ? "nothing" : told.join(" and ");
      const units = `${was} to ${available(stock)}`;
      problems.push(`tells ${says} of ${stream}, which went from ${units}: that is ${right ?? "nothing"} to tell`);
    }
    this.#changed.clear();
    return problems;
  }
}

function isCrossing(type: StockEvent["type"]): boolean {
  return type === "StockRanLow" || type === "StockRanOut" || type === "StockCameBack" || type === "StockRecovered";
}
