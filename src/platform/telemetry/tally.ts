/**
 * Counters and histograms that are told something with every request and every fact. The library's own make a sorted
 * text of the labels each time and check it, which cost more than the rest of an observation; here the place of a set
 * of labels is found by walking maps. They are only read as the library's are, at a scrape.
 */

/** One line of a scrape. */
interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

type Labels = Readonly<Record<string, string>>;
const noLabels: Labels = {};

/** A place for each set of label values, made when it is first asked for. */
class Places<T> {
  readonly #names: readonly string[];
  readonly #make: () => T;
  readonly #all: { readonly labels: Labels; readonly place: T }[] = [];
  /** Maps by the value of one label after another, down to the place. */
  readonly #root = new Map<string, unknown>();
  #unlabelled: T | undefined;

  constructor(names: readonly string[], make: () => T) {
    this.#names = names;
    this.#make = make;
    if (names.length === 0) this.#unlabelled = this.#add(noLabels);
  }

  at(labels: Labels): T {
    if (this.#unlabelled !== undefined) return this.#unlabelled;
    let here = this.#root;
    const last = this.#names.length - 1;
    for (let index = 0; index < last; index += 1) {
      const value = labels[this.#names[index] ?? ""] ?? "";
      let next = here.get(value) as Map<string, unknown> | undefined;
      if (next === undefined) {
        next = new Map();
        here.set(value, next);
      }
      here = next;
    }
    const value = labels[this.#names[last] ?? ""] ?? "";
    const found = here.get(value) as T | undefined;
    if (found !== undefined) return found;
    const place = this.#add(labels);
    here.set(value, place);
    return place;
  }

  all(): readonly { readonly labels: Labels; readonly place: T }[] {
    return this.#all;
  }

  #add(labels: Labels): T {
    const place = this.#make();
    this.#all.push({ labels: Object.fromEntries(this.#names.map((name) => [name, labels[name] ?? ""])), place });
    return place;
  }
}

export interface TallySpec {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export class CounterTally {
  readonly type = "counter";
  /** The registry takes the `_total` off the name and puts it back, as OpenMetrics has it. */
  name: string;
  readonly help: string;
  readonly #places: Places<{ value: number }>;

  constructor({ name, help, labels }: TallySpec) {
    this.name = name;
    this.help = help;
    this.#places = new Places(labels, () => ({ value: 0 }));
  }

  inc(by: number, labels: Labels = noLabels): void {
    if (!(by >= 0)) throw new RangeError(`${this.name} can't grow by ${by}`);
    this.#places.at(labels).value += by;
  }

  async get(): Promise<object> {
    const values: Sample[] = this.#places.all().map(({ labels, place: { value } }) => ({ labels, value }));
    return { name: this.name, help: this.help, type: this.type, values };
  }
}

export class HistogramTally {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #places: Places<{ sum: number; readonly counts: Float64Array }>;

  /** `bounds` are the upper bounds of the buckets, ascending; one more without a bound is added. */
  constructor({ name, help, labels }: TallySpec, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#places = new Places(labels, () => ({ sum: 0, counts: new Float64Array(bounds.length + 1) }));
  }

  observe(value: number, labels: Labels = noLabels): void {
    if (!Number.isFinite(value)) throw new RangeError(`${this.name} can't take ${value}`);
    const place = this.#places.at(labels);
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1;
    place.counts[bucket] = (place.counts[bucket] ?? 0) + 1;
    place.sum += value;
  }

  async get(): Promise<object> {
    const values: Sample[] = [];
    for (const { labels, place } of this.#places.all()) {
      let count = 0;
      for (const [bucket, inBucket] of place.counts.entries()) {
        count += inBucket;
        const le = this.#bounds[bucket] ?? "+Inf";
        values.push({ metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count });
      }
      values.push({ metricName: `${this.name}_sum`, labels, value: place.sum });
      values.push({ metricName: `${this.name}_count`, labels, value: count });
    }
    return { name: this.name, help: this.help, type: this.type, values };
  }
}
