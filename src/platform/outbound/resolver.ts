import { lookup, Resolver } from "node:dns/promises";

/** All addresses of a name, in any order. Throws when there are none, or nobody answers in time. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  /** Name servers as `address:port`; the system's unless given. */
  readonly servers?: readonly string[];
  /** Milliseconds for the first answer of a name server, which is asked twice; 2000 unless given. */
  readonly queryMs?: number;
}

/**
 * Asks the name servers, and the system's own resolver where they know no such name: it may stand in the hosts file or
 * in a search domain.
 *
 * In this order, because the system's resolver holds one of the few threads that the log is synced in for as long as it
 * takes: names whose servers are dead would stop the server. It is asked one name at a time.
 */
export function systemResolver({ servers, queryMs = 2000 }: ResolverOptions = {}): Resolve {
  const resolver = new Resolver({ timeout: queryMs, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  let turn: Promise<unknown> = Promise.resolve();

  function askSystem(name: string): Promise<readonly string[]> {
    const answer = turn.then(() => lookup(name, { all: true, verbatim: true }));
    turn = answer.catch(() => undefined);
    return answer.then((found) => found.map(({ address }) => address));
  }

  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (found.length > 0) return found;
    const silent = answers.find((answer) => answer.status === "rejected" && answer.reason.code === "ETIMEOUT");
    if (silent?.status === "rejected") throw silent.reason;
    return askSystem(name);
  };
}
