/**
 * A flow network of whole units, grown by augmenting paths (Ford and Fulkerson; the shortest first, Edmonds and Karp).
 *
 * Edges are kept in pairs: 2n is an edge as added, 2n + 1 the way back, whose residual is the flow that can be undone.
 */
export class FlowNetwork {
  readonly #edgesOf: number[][] = [];
  readonly #heads: number[] = [];
  readonly #residuals: number[] = [];
  readonly #capacities: number[] = [];

  addNode(): number {
    return this.#edgesOf.push([]) - 1;
  }

  /** Adds an edge and gives its id. Edges of one node are searched in the order in which they were added. */
  addEdge(from: number, to: number, capacity: number): number {
    const edge = this.#heads.length;
    this.#heads.push(to, from);
    this.#residuals.push(capacity, 0);
    this.#capacities.push(capacity, 0);
    this.#edgesOf[from]?.push(edge);
    this.#edgesOf[to]?.push(edge + 1);
    return edge;
  }

  flow(edge: number): number {
    return this.#residuals[edge + 1] ?? 0;
  }

  /** Takes all flow out and opens all edges again. */
  reset(): void {
    for (const [edge, capacity] of this.#capacities.entries()) this.#residuals[edge] = capacity;
  }

  /** Lets nothing through an edge that carries no flow, until the next `reset`. */
  close(edge: number): void {
    this.#residuals[edge] = 0;
  }

  /** Sends up to `limit` units along a path of edges; gives how many fitted. */
  push(path: readonly number[], limit: number): number {
    let units = limit;
    for (const edge of path) units = Math.min(units, this.#residuals[edge] ?? 0);
    if (units > 0) this.#move(path, units);
    return units;
  }

  /** Takes back units that flow along a path. */
  pull(path: readonly number[], units: number): void {
    this.#move(path, -units);
  }

  /** Sends up to `limit` more units from one node to another, moving earlier flow aside where that makes room. */
  augment(from: number, to: number, limit: number): number {
    let sent = 0;
    while (sent < limit) {
      const path = this.#shortestPath(from, to);
      if (path === undefined) break;
      sent += this.push(path, limit - sent);
    }
    return sent;
  }

  #move(path: readonly number[], units: number): void {
    for (const edge of path) {
      this.#residuals[edge] = (this.#residuals[edge] ?? 0) - units;
      this.#residuals[edge ^ 1] = (this.#residuals[edge ^ 1] ?? 0) + units;
    }
  }

  #shortestPath(from: number, to: number): readonly number[] | undefined {
    const arrivals = new Int32Array(this.#edgesOf.length).fill(-1);
    const queue = [from];
    for (const node of queue) {
      for (const edge of this.#edgesOf[node] ?? []) {
        const head = this.#heads[edge] ?? 0;
        if (head === from || arrivals[head] !== -1 || this.#residuals[edge] === 0) continue;
        arrivals[head] = edge;
        if (head === to) return this.#pathBack(arrivals, from, to);
        queue.push(head);
      }
    }
    return undefined;
  }

  #pathBack(arrivals: Int32Array, from: number, to: number): readonly number[] {
    const path: number[] = [];
    for (let node = to; node !== from; ) {
      const edge = arrivals[node] ?? 0;
      path.push(edge);
      node = this.#heads[edge ^ 1] ?? 0;
    }
    return path;
  }
}
