/** What one process of a cluster has to do with the others: the modules it offers them, and those of theirs that it uses. */
import { hash, timingSafeEqual } from "node:crypto";
import { type Instant, limits } from "../../kernel/index.ts";
import { parsePeers, type Settings } from "../config/index.ts";
import type { GrpcServer, ModuleServer, Peers } from "../grpc/index.ts";
import type { Logger } from "../telemetry/index.ts";
import type { Check, Checks, Publication } from "./module.ts";
import { type Interfaces, modules, type Offers, type Resources } from "./modules.ts";
import { tlsOf } from "./tls.ts";

type Published = keyof Interfaces & string;

/** The modules that run in other processes, by `LARDER_PEERS`. */
export function modulesElsewhere({ peers }: Settings): ReadonlyMap<string, readonly string[]> {
  return (peers === null ? undefined : parsePeers(peers)) ?? new Map();
}

/** What is wrong with the settings of a cluster, as a sentence for the operator. */
export function clusterProblem({ peers, clusterPort, clusterSecret }: Settings): string | undefined {
  if ((peers === null && clusterPort === null) || clusterSecret !== null) return undefined;
  return "Processes of a cluster know each other by a secret: set LARDER_CLUSTER_SECRET, the same for all of them.";
}

/** No metadata can carry outer white space, such as the line end of a file that it was read from. */
function secretOf({ clusterSecret }: Settings): string {
  return clusterSecret?.trim() ?? "";
}

/** Connections to the modules that this process uses and does not run. */
export class RemoteModules {
  readonly #peers: ReadonlyMap<string, Peers>;
  readonly interfaces: Partial<Interfaces>;

  private constructor(peers: ReadonlyMap<string, Peers>, interfaces: Partial<Interfaces>) {
    this.#peers = peers;
    this.interfaces = interfaces;
  }

  /** `storeClock` is that of a store that all processes share. */
  static async connect(
    names: readonly string[],
    resources: Resources,
    storeClock: (() => Instant) | undefined,
  ): Promise<RemoteModules> {
    const remote = new Map<string, Peers>();
    if (names.length === 0) return new RemoteModules(remote, {});
    // A process that has everything itself does without gRPC, whose code takes a tenth of a start.
    const { Peers } = await import("../grpc/index.ts");
    const { settings, logger } = resources;
    const addresses = modulesElsewhere(settings);
    const tls = tlsOf(settings.clusterTls, { isMutual: true });
    const interfaces: Record<string, unknown> = {};
    for (const name of names as readonly Published[]) {
      const peers = new Peers({
        module: name,
        addresses: addresses.get(name) ?? [],
        authorization: secretOf(settings),
        ...(tls && { tls }),
        storeClock,
        onChange: (address, isReady, fault) =>
          isReady
            ? logger.info({ module: name, address }, "another process takes calls")
            : logger.warn({ module: name, address, fault }, "another process takes no calls"),
      });
      remote.set(name, peers);
      interfaces[name] = interfaceOf(name, peers, resources);
    }
    return new RemoteModules(remote, interfaces as Partial<Interfaces>);
  }

  /** One for each module. Without a vital one nothing can be done; without another there is work for someone. */
  checks(): Checks {
    return Object.fromEntries([...this.#peers].map(([name, peers]) => [`${name}-peers`, checkOf(name, peers)]));
  }

  close(): void {
    for (const peers of this.#peers.values()) peers.close();
  }
}

function interfaceOf(name: Published, peers: Peers, resources: Resources): unknown {
  const { published } = modules[name];
  if (published === undefined) throw new Error(`${name} is published`);
  const { connect, methods } = published as {
    connect?: (peers: Peers, resources: Resources) => unknown;
    methods: object;
  };
  return connect === undefined ? peers.interfaceOf(methods) : connect(peers, resources);
}

function checkOf(name: string, peers: Peers): Check {
  const { known, ready, faults } = peers.standing();
  const detail = [`${ready} of ${known} take calls`, ...faults].join("; ");
  const isVital = modules[name as Published].published?.isVital === true;
  return { ok: ready > 0 || !isVital, detail, ...(ready === 0 && { needsSomeone: true }) };
}

/** The server by which others use the modules of this process. */
export class OfferedModules {
  readonly #modules: ModuleServer;
  readonly #server: GrpcServer;
  readonly #settings: Settings;

  private constructor(modules: ModuleServer, server: GrpcServer, settings: Settings) {
    this.#modules = modules;
    this.#server = server;
    this.#settings = settings;
  }

  static async of(offers: Partial<Offers>, settings: Settings, logger: Logger): Promise<OfferedModules> {
    const { GrpcServer, ModuleServer, ModuleService } = await import("../grpc/index.ts");
    const secret = hash("sha256", secretOf(settings), "buffer");
    const offered = new ModuleServer({
      isMember: (authorization = "") => timingSafeEqual(hash("sha256", authorization, "buffer"), secret),
      onDefect: (method, err) => logger.error({ method, err }, "a call of another process failed"),
    });
    for (const [name, offer] of Object.entries(offers)) {
      const { published } = modules[name as keyof Offers];
      if (published === undefined) continue;
      const { methods, isElsewhere } = published as Publication<Resources, never, typeof offer>;
      offered.offer(name, { offer, methods, isElsewhere: isElsewhere && (() => isElsewhere(offer)) });
    }
    const tls = tlsOf(settings.clusterTls, { isMutual: true });
    const server = new GrpcServer({
      services: [{ description: ModuleService, implementation: offered.implementation() }],
      messageBytesMax: limits.peerMessageBytesMax,
      ...(tls && { tls }),
    });
    return new OfferedModules(offered, server, settings);
  }

  async listen(): Promise<string> {
    return await this.#server.listen(this.#settings.host, this.#settings.clusterPort ?? 0);
  }

  /** Sends the others elsewhere, and finishes what it has for them. */
  async leave(): Promise<void> {
    this.#server.leave();
    await this.#modules.leave(limits.peerDrainMs);
  }

  async close(): Promise<void> {
    await this.#server.close(0);
  }
}
