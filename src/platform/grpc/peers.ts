import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ChannelCredentials, Metadata } from "@grpc/grpc-js";
import { accept, fnv1a, type Instant, limits, type Outcome, PlatformError } from "../../kernel/index.ts";
import { Attempts } from "./attempts.ts";
import { decodeValue, encodeArguments } from "./encoding.ts";
import { isFeed, type MethodSpec, type Methods, objectOf } from "./methods.ts";
import { wantedModule } from "./module-server.ts";
import { Peer, PeerLost } from "./peer.ts";
import type { TlsFiles } from "./server.ts";

export interface PeersOptions {
  /** The module that all of them offer. */
  readonly module: string;
  /** `host:port` each; a host that is a name stands for all of its addresses, now and later. */
  readonly addresses: readonly string[];
  /** Shows that we belong to the cluster. */
  readonly authorization: string;
  /** Ours, and who signs those of the others; without it what is said can be read on the way. */
  readonly tls?: TlsFiles;
  /** The addresses of a name; the system's unless given. */
  readonly lookup?: (host: string) => Promise<readonly string[]>;
  /**
   * The clock of the store that all of them share, by which calls get their deadlines. Without it, a refusal that follows
   * an attempt of unknown outcome is not told: it is `peer-unavailable`.
   */
  readonly storeClock?: (() => Instant) | undefined;
  readonly onChange?: (address: string, isReady: boolean, fault: string) => void;
}

type AnyArgs = readonly unknown[];

/**
 * The processes that offer one module, and the calls of it. Each key belongs to one of those that take calls
 * (rendezvous hashing): when one goes, its keys are shared out to the others, and only they move.
 *
 * What was not sent is sent elsewhere; what may have been carried out is repeated only where the method's table says
 * that it may be. What a repeat says is told when no earlier attempt can prove it wrong any more: at once where it is firm, else it is
 * asked once more after the deadline of all of them (docs/adr/0031-calls-with-a-deadline.md).
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #waiting = new Set<() => void>();
  #ready: readonly { readonly peer: Peer; readonly seed: number }[] = [];
  #next = 0;
  #resolving: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    void this.#resolve();
  }

  /** The module's interface, each method called where its table says. */
  interfaceOf<T>(methods: Methods<T>): T {
    return objectOf(methods, (name, spec) =>
      isFeed(spec)
        ? (...args: AnyArgs) => this.#open(name, spec as unknown as AnyFeed, args)
        : (...args: AnyArgs) => this.call(name, spec as unknown as AnyMethod, args),
    );
  }

  /** How many there are, how many of them take calls, and what is wrong with the others. */
  standing(): { readonly known: number; readonly ready: number; readonly faults: readonly string[] } {
    const all = [...this.#peers.values()];
    const faults = all.filter(({ isReady }) => !isReady).map(({ address, fault }) => `${address}: ${fault}`);
    return { known: all.length, ready: this.#ready.length, faults };
  }

  /** Which process the calls of a key go to now, by a name of this life of it; undefined when there is none. */
  placeOf(key: string): string | undefined {
    return this.#pick(key)?.place;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#resolving);
    for (const peer of this.#peers.values()) peer.close();
  }

  /** Calls one method, wherever its key belongs or `key` says. */
  async call(name: string, spec: AnyMethod, args: AnyArgs, key = spec.key?.(...args)): Promise<unknown> {
    const { module } = this.#options;
    const { timeoutMs = limits.peerCallMs, hasGaps, isRepeatable } = spec;
    const until = performance.now() + timeoutMs;
    const unavailable = (why: string, cause?: unknown) =>
      new PlatformError("peer-unavailable", `${module}.${name}: ${why}`, { cause });
    const attempts = new Attempts(spec, args, this.#options.storeClock);
    for (let refusals = 0; ; ) {
      if (!(await attempts.mayGoOn(until))) throw unavailable("what became of an earlier attempt is not known");
      const peer = this.#pick(key) ?? (await this.#someone(key, until));
      const leftMs = Math.max(1, until - performance.now());
      try {
        const answer = decodeValue(await peer.call(module, name, attempts.next(leftMs), leftMs), hasGaps);
        if (attempts.mayTell(answer)) return answer;
      } catch (error) {
        if (!(error instanceof PeerLost))
          throw attempts.isOpen && error instanceof PlatformError ? unavailable(error.message, error) : error;
        const mayRepeat = error.isUnsent || (typeof isRepeatable === "function" ? isRepeatable(...args) : isRepeatable);
        if (!mayRepeat || performance.now() >= until) throw unavailable(error.message, error);
        if (!error.isUnsent) attempts.lost();
        // It has its reason not to begin with this one, and takes calls all the same; where any will do, the next one is asked.
        else if (peer.isReady) {
          refusals += 1;
          if (key !== undefined || refusals % this.#ready.length === 0) await pauseMs(limits.peerAgainMsFirst);
        }
      }
    }
  }

  /** Opens a feed; when its process is lost, it goes on from where it was at another one. */
  async #open(name: string, spec: AnyFeed, args: AnyArgs): Promise<Outcome<AsyncIterable<unknown>>> {
    const { signal } = args.at(-1) as { readonly signal: AbortSignal };
    const first = await this.#begin(name, spec, args, signal);
    return first.ok ? accept(this.#steps(name, spec, args, signal, first.value)) : first;
  }

  async *#steps(
    name: string,
    spec: AnyFeed,
    args: AnyArgs,
    signal: AbortSignal,
    first: AsyncGenerator<Uint8Array>,
  ): AsyncGenerator<unknown> {
    let [from, steps] = [args, first];
    while (!signal.aborted) {
      try {
        for await (const bytes of steps) {
          const step = decodeValue(bytes);
          from = spec.resumed(from, step);
          yield step;
        }
      } catch (error) {
        if (!(error instanceof PeerLost)) throw error;
      }
      // It ended because its process did.
      if (signal.aborted || this.#isClosed) return;
      const again = await this.#begin(name, spec, from, signal);
      if (!again.ok) throw new PlatformError(again.rejection.code, again.rejection.detail);
      steps = again.value;
    }
  }

  async #begin(
    name: string,
    spec: AnyFeed,
    args: AnyArgs,
    signal: AbortSignal,
  ): Promise<Outcome<AsyncGenerator<Uint8Array>>> {
    const until = performance.now() + limits.peerCallMs;
    for (;;) {
      const key = spec.key?.(...args);
      const peer = this.#pick(key) ?? (await this.#someone(key, until));
      const steps = peer.follow(this.#options.module, name, encodeArguments(args), signal);
      try {
        const head = await steps.next();
        if (head.done !== true) {
          const outcome = decodeValue(head.value) as Outcome<undefined>;
          return outcome.ok ? accept(steps) : outcome;
        }
        if (signal.aborted) return accept(steps);
      } catch (error) {
        if (!(error instanceof PeerLost)) throw error;
        if (performance.now() >= until)
          throw new PlatformError("peer-unavailable", `${this.#options.module}.${name}: ${error.message}`, {
            cause: error,
          });
      }
      await pauseMs(limits.peerAgainMsFirst);
    }
  }

  #pick(key: string | undefined): Peer | undefined {
    const ready = this.#ready;
    if (ready.length <= 1) return ready[0]?.peer;
    if (key === undefined) {
      this.#next = (this.#next + 1) % ready.length;
      return ready[this.#next]?.peer;
    }
    const hashed = fnv1a(key);
    let best: Peer | undefined;
    let bestScore = -1;
    for (const { peer, seed } of ready) {
      const score = scoreOf(hashed, seed);
      if (score > bestScore) [best, bestScore] = [peer, score];
    }
    return best;
  }

  /** Waits for a process that takes calls. */
  async #someone(key: string | undefined, until: number): Promise<Peer> {
    const end = Math.min(until, performance.now() + limits.peerWaitMs);
    for (;;) {
      const peer = this.#pick(key);
      if (peer !== undefined) return peer;
      const leftMs = end - performance.now();
      if (leftMs <= 0 || this.#isClosed) throw this.#nobody();
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#waiting.add(wake);
      });
    }
  }

  #nobody(): PlatformError {
    const { faults } = this.standing();
    return new PlatformError(
      "peer-unavailable",
      `no process that offers ${this.#options.module} takes calls (${faults.join("; ") || "none is known"})`,
    );
  }

  #changed(peer: Peer): void {
    const ready = [...this.#peers.values()].filter(({ isReady }) => isReady);
    this.#ready = ready.map((each) => ({ peer: each, seed: fnv1a(each.address) }));
    this.#options.onChange?.(peer.address, peer.isReady, peer.fault);
    for (const wake of [...this.#waiting]) wake();
  }

  /** Looks up the names now and every few seconds, so that processes may come and go behind them. */
  async #resolve(): Promise<void> {
    const found = await Promise.all(this.#options.addresses.map((address) => this.#addressesOf(address)));
    if (this.#isClosed) return;
    // A name that can't be looked up now keeps the addresses that it had.
    const isComplete = found.every((each) => each !== undefined);
    const wanted = new Set(found.flatMap((each) => each ?? []));
    for (const address of wanted) if (!this.#peers.has(address)) this.#peers.set(address, this.#connect(address));
    if (isComplete) {
      for (const [address, peer] of this.#peers) {
        // One that still takes calls is left alone: it says itself when it leaves.
        if (wanted.has(address) || peer.isReady) continue;
        this.#peers.delete(address);
        peer.close();
      }
    }
    if (this.#options.addresses.every((address) => isIP(hostOf(address)) !== 0)) return;
    this.#resolving = setTimeout(() => void this.#resolve(), limits.peerLookupMs);
  }

  async #addressesOf(address: string): Promise<readonly string[] | undefined> {
    const host = hostOf(address);
    if (isIP(host) !== 0) return [address];
    const port = address.slice(address.lastIndexOf(":") + 1);
    try {
      const found = await (this.#options.lookup ?? lookupAll)(host);
      return found.map((one) => (isIP(one) === 6 ? `[${one}]:${port}` : `${one}:${port}`));
    } catch {
      return undefined;
    }
  }

  #connect(address: string): Peer {
    const metadata = new Metadata();
    metadata.set("authorization", this.#options.authorization);
    metadata.set(wantedModule, this.#options.module);
    return new Peer({
      address,
      credentials: credentialsOf(this.#options.tls),
      metadata,
      onChange: (peer) => this.#changed(peer),
    });
  }
}

type AnyMethod = MethodSpec<AnyArgs>;
type AnyFeed = {
  readonly isFeed: true;
  readonly key?: (...args: AnyArgs) => string | undefined;
  readonly resumed: (args: AnyArgs, step: unknown) => AnyArgs;
};

function credentialsOf(tls: TlsFiles | undefined): ChannelCredentials {
  return tls === undefined
    ? ChannelCredentials.createInsecure()
    : ChannelCredentials.createSsl(tls.ca ?? null, tls.key, tls.cert);
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

async function lookupAll(host: string): Promise<readonly string[]> {
  return (await systemLookup(host, { all: true })).map(({ address }) => address);
}

/** Rendezvous: the highest score of a key and a process has the key. Mixed as in MurmurHash3. */
function scoreOf(key: number, seed: number): number {
  let mixed = key ^ Math.imul(seed, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
