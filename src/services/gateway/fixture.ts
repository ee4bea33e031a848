/** For tests: a gateway over an inventory that answers as told and writes down what it was asked. */
import type { Outcome, Rejection } from "../../kernel/index.ts";
import { accept, reject } from "../../kernel/index.ts";
import type { Credential, Scope } from "../../platform/auth/index.ts";
import type { Identity } from "../identity/index.ts";
import type { Epcis, Intake } from "../intake/index.ts";
import {
  type ChangesStep,
  factSchemas,
  type Inventory,
  type RecordedCloudEvent,
  type Reservation,
} from "../inventory/index.ts";
import type { Relay } from "../relay/index.ts";
import type { Reconciliations, Sync, SyncStatus } from "../sync/index.ts";
import { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";

const silent = () => {};

export function credential(id: string, scopes: readonly Scope[], limits: Partial<Credential> = {}): Credential {
  return { id, name: id, scopes: new Set(scopes), ownReservations: false, ...limits };
}

/** Tokens are the ids of credentials. */
export class FakeIdentity implements Identity {
  readonly credentials = new Map<string, Credential>();
  readonly consumer: Identity["consumer"] = {
    name: "fake",
    load: silent,
    apply: silent,
    changes: () => ({ put: [], remove: [] }),
  };

  authenticate(token: string): Credential | undefined {
    return this.credentials.get(token);
  }

  /** Those whom nobody knows here until they are asked about. */
  readonly elsewhere = new Map<string, Credential>();

  /** What asking about one of them waits for. */
  asking: Promise<unknown> = Promise.resolve();

  async learn(token: string): Promise<void> {
    const found = this.elsewhere.get(token);
    await this.asking;
    if (found !== undefined) this.credentials.set(token, found);
  }

  stands({ id }: Credential): boolean {
    return this.credentials.has(id);
  }

  createKey: Identity["createKey"] = async ({ name, scopes }) =>
    accept({
      id: "k1",
      name,
      scopes,
      ownReservations: false,
      createdAt: "2026-11-21T00:00:00.000Z",
      expiresAt: null,
      key: "lk_secret",
    });

  keys: Identity["keys"] = () => accept({ items: [] });

  revokeKey: Identity["revokeKey"] = async (id) => {
    return this.credentials.delete(id)
      ? accept(undefined)
      : reject({ code: "not-found", detail: "There is no such key." });
  };

  ensureAdminKey: Identity["ensureAdminKey"] = async () => ({ state: "kept" });
}

export const reservation: Reservation = {
  id: "cart/1",
  status: "active",
  createdAt: "2026-11-21T00:00:00.000Z",
  expiresAt: "2026-11-21T00:15:00.000Z",
  owner: null,
  reference: null,
  lines: [{ sku: "milk", location: "s1", quantity: 1, lineIndex: 0 }],
  position: "7",
};

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Answers each method with what `answers` holds for it; changes come from `steps`. */
export class FakeInventory {
  calls: Call[] = [];
  answers: Record<string, unknown> = {};
  /** Rejects every outcome when set. */
  rejection: Rejection | undefined;
  steps: (after: string | undefined, signal: AbortSignal) => AsyncIterable<ChangesStep> = async function* () {};
  /** What the opening of a feed waits for, as it may for another process. */
  opening: Promise<void> = Promise.resolve();

  /** The interface, backed by the fields above. */
  readonly inventory = this.#asking<Inventory>("");
  /** Intake answers in the same way; methods of its dead letters are `deadLetters.…`. */
  readonly intake: Intake = {
    enqueueFacts: this.#asking<Intake>("").enqueueFacts,
    deadLetters: this.#asking<Intake["deadLetters"]>("deadLetters."),
  };
  readonly epcis: Epcis = {
    capture: this.#asking<Epcis["capture"]>(""),
    events: this.#asking<Epcis["events"]>("epcis."),
  };

  /** So does sync. */
  readonly sync: Sync = {
    status: async () => (this.rejection === undefined ? accept({ items: [] }) : reject(this.rejection)),
    resend: async (location) => {
      this.calls.push({ method: "resend", args: [location] });
      const answer = this.answers["resend"] as SyncStatus;
      return this.rejection === undefined ? accept(answer) : reject(this.rejection);
    },
  };

  readonly reconciliations = this.#asking<Reconciliations>("reconciliations.");

  reset(): void {
    this.calls = [];
    this.answers = {};
    this.rejection = undefined;
    this.steps = async function* () {};
    this.opening = Promise.resolve();
  }

  /** The arguments of the only call of a method. */
  asked(method: string): readonly unknown[] {
    const [call, ...others] = this.calls.filter((each) => each.method === method);
    if (call === undefined || others.length > 0)
      throw new Error(`${method} was asked ${others.length + (call ? 1 : 0)} times`);
    return call.args;
  }

  #asking<T extends object>(prefix: string): T {
    return new Proxy({} as T, {
      get: (_target, name) => {
        // Not a promise, though it is awaited.
        if (name === "then") return undefined;
        return (...args: unknown[]) => this.#answer(`${prefix}${String(name)}`, args);
      },
    });
  }

  #answer(method: string, args: readonly unknown[]): unknown {
    this.calls.push({ method, args });
    if (method === "position") return Promise.resolve("9");
    if (method === "changes") return this.#changes(args);
    const answer = this.answers[method] ?? {};
    if (answer instanceof Error) return Promise.reject(answer);
    if (typeof answer === "function") return answer(...args);
    if (method === "recordFacts" || method === "putItems") return Promise.resolve(answer);
    return Promise.resolve(this.rejection === undefined ? accept(answer) : reject(this.rejection));
  }

  async #changes([after, , , options]: readonly unknown[]): Promise<Outcome<AsyncIterable<ChangesStep>>> {
    await this.opening;
    if (this.rejection !== undefined) return reject(this.rejection);
    return accept(this.steps(after as string | undefined, (options as { signal: AbortSignal }).signal));
  }
}

export function recorded(position: string, data: Record<string, unknown> = { sku: "milk" }): RecordedCloudEvent {
  return {
    specversion: "1.0",
    id: `e${position}`,
    source: "/larder",
    type: "larder.stock.sold.v1",
    time: "2026-11-21T00:00:00.000Z",
    datacontenttype: "application/json",
    position,
    data,
  };
}

const everyone = [
  ...(["stock:read", "stock:write", "reservations:write", "sync:admin", "dlq:admin", "admin"] as const).map((scope) =>
    credential(scope, [scope]),
  ),
  credential("nobody", []),
];

/** Knows no webhook. */
export const fakeRelay = new Proxy({} as Relay, {
  get: (_target, name) =>
    name === "list"
      ? async () => accept({ items: [] })
      : async () => reject({ code: "not-found", detail: "There is no such webhook." }),
});

export interface Fixture {
  readonly gateway: Gateway;
  readonly fake: FakeInventory;
  readonly identity: FakeIdentity;
  /** What the log got, by level. */
  readonly logged: Record<"error" | "warn", unknown[]>;
  /** As if just started: a gateway takes longer to make than most tests to run. */
  reset(): void;
}

/** Credentials of one scope each, named by it, and `nobody` who has none that helps. */
export async function startFixture(options: Partial<GatewayOptions> = {}): Promise<Fixture> {
  const fake = new FakeInventory();
  const identity = new FakeIdentity();
  const logged: Fixture["logged"] = { error: [], warn: [] };
  const logger: GatewayOptions["logger"] = {
    level: "warn",
    fatal: silent,
    error: (...line: unknown[]) => logged.error.push(line),
    warn: (...line: unknown[]) => logged.warn.push(line),
    info: silent,
    debug: silent,
    trace: silent,
    silent,
    child: () => logger,
  } as GatewayOptions["logger"];
  const gateway = await createGateway({
    inventory: fake.inventory,
    epcis: fake.epcis,
    identity,
    intake: fake.intake,
    relay: fakeRelay,
    sync: fake.sync,
    reconciliations: fake.reconciliations,
    logger,
    readiness: async () => ({ storage: { ok: true } }),
    factSchemas,
    metrics: {
      observe: silent,
      expose: async () => ({ contentType: "application/openmetrics-text", body: "# EOF\n" }),
    },
    ...options,
  });
  const reset = () => {
    fake.reset();
    logged.error.length = 0;
    logged.warn.length = 0;
    identity.credentials.clear();
    for (const each of everyone) identity.credentials.set(each.id, each);
  };
  reset();
  return { gateway, fake, identity, logged, reset };
}
