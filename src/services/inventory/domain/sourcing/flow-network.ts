/**
 * A flow network of whole units, filled by Dinic's algorithm (1970): all shortest augmenting paths at once, then longer
 * ones. Distances are taken backwards from the end, as in a network that is nearly full little leads there.
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

  /** Adds an edge and gives its id. Edges of one node are tried in the order in which they were added. */
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
    for (let edge = 0; edge < this.#capacities.length; edge += 1) this.#residuals[edge] = this.#capacities[edge] ?? 0;
  }

  /** Lets nothing through an edge that carries no flow, until the next `reset`. */
  close(edge: number): void {
    this.#residuals[edge] = 0;
  }

  /** Sends up to `limit` units along a path of edges; gives how many fitted. */
  push(path: readonly number[], limit: number): number {
    let units = limit;
    for (const edge of path) units = Math.min(units, this.#residuals[edge] ?? 0);
    if (units > 0) for (const edge of path) this.#move(edge, units);
    return units;
  }

  /** Takes back units that flow along a path. */
  pull(path: readonly number[], units: number): void {
    for (const edge of path) this.#move(edge, -units);
  }

  /** Sends up to `limit` more units from one node to another, moving earlier flow aside where that makes room. */
  augment(from: number, to: number, limit: number): number {
    let sent = 0;
    while (sent < limit) {
      const distances = this.#distancesTo(to, from);
      if (distances[from] === unreachable) break;
      const tried = new Int32Array(this.#edgesOf.length);
      for (let units = -1; units !== 0 && sent < limit; sent += units) {
        units = this.#advance(from, to, limit - sent, distances, tried);
      }
    }
    return sent;
  }

  /** Whether one more unit could be sent to `to`, for each node. */
  leadsTo(to: number): (node: number) => boolean {
    const distances = this.#distancesTo(to);
    return (node) => distances[node] !== unreachable;
  }

  #move(edge: number, units: number): void {
    this.#residuals[edge] = (this.#residuals[edge] ?? 0) - units;
    this.#residuals[edge ^ 1] = (this.#residuals[edge ^ 1] ?? 0) + units;
  }

  /** The number of edges with room from each node to `to`; of nodes farther off than `from` it may be missing. */
  #distancesTo(to: number, from?: number): Int32Array {
    const distances = new Int32Array(this.#edgesOf.length).fill(unreachable);
    distances[to] = 0;
    const queue = [to];
    for (const node of queue) {
      if (node === from) break;
      const distance = (distances[node] ?? 0) + 1;
      for (const edge of this.#edgesOf[node] ?? []) {
        const before = this.#heads[edge] ?? 0;
        if (distances[before] !== unreachable || this.#residuals[edge ^ 1] === 0) continue;
        distances[before] = distance;
        queue.push(before);
      }
    }
    return distances;
  }

  /** Sends units along one shortest path; `tried` counts, for each node, the edges that lead nowhere any more. */
  #advance(node: number, to: number, limit: number, distances: Int32Array, tried: Int32Array): number {
    if (node === to) return limit;
    const edges = this.#edgesOf[node] ?? [];
    const distance = (distances[node] ?? 0) - 1;
    for (let next = tried[node] ?? 0; next < edges.length; next += 1) {
      tried[node] = next;
      const edge = edges[next] ?? 0;
      const head = this.#heads[edge] ?? 0;
      const room = this.#residuals[edge] ?? 0;
      if (room === 0 || distances[head] !== distance) continue;
      const units = this.#advance(head, to, Math.min(limit, room), distances, tried);
      if (units === 0) continue;
      this.#move(edge, units);
      return units;
    }
    tried[node] = edges.length;
    return 0;
  }
}

const unreachable = -1;
