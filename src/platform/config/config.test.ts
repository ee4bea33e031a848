import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flagOf, loadSettings, parsePeers, settingNames, shownValue, variableOf } from "./index.ts";

const settingsOf = (sources: Partial<Parameters<typeof loadSettings>[0]>) => {
  const loaded = loadSettings({ env: {}, flags: {}, ...sources });
  if (!loaded.ok) throw new Error(loaded.rejection.join("\n"));
  return loaded.value;
};
const problemsOf = (sources: Partial<Parameters<typeof loadSettings>[0]>) => {
  const loaded = loadSettings({ env: {}, flags: {}, ...sources });
  return loaded.ok ? [] : loaded.rejection;
};
const file = (members: unknown) => ({ path: "larder.json", text: JSON.stringify(members) });

describe("settings", () => {
  it("are the documented defaults when nothing is given", () => {
    const { settings, origins } = settingsOf({});
    expect(settings).toMatchObject({ port: 8080, host: "127.0.0.1", data: "./data", store: "sqlite:", adminKey: null });
    expect(new Set(Object.values(origins))).toEqual(new Set(["default"]));
  });

  it("rise from file over environment to flag, and say where each came from", () => {
    const { settings, origins } = settingsOf({
      file: file({ port: 1, host: "::", logLevel: "debug" }),
      env: { LARDER_PORT: "2", LARDER_HOST: "0.0.0.0" },
      flags: { port: "3" },
    });
    expect(settings).toMatchObject({ port: 3, host: "0.0.0.0", logLevel: "debug" });
    expect(origins).toMatchObject({
      port: "flag (--port)",
      host: "environment (LARDER_HOST)",
      logLevel: "file (larder.json)",
      data: "default",
    });
  });

  it("are public names: a change here breaks the operators' files", () => {
    expect(settingNames.map((name) => [name, variableOf(name), flagOf(name)])).toEqual([
      ["port", "LARDER_PORT", "--port"],
      ["host", "LARDER_HOST", "--host"],
      ["data", "LARDER_DATA", "--data"],
      ["store", "LARDER_STORE", "--store"],
      ["adminKey", "LARDER_ADMIN_KEY", "--admin-key"],
      ["logLevel", "LARDER_LOG_LEVEL", "--log-level"],
      ["logFormat", "LARDER_LOG_FORMAT", "--log-format"],
      ["target", "LARDER_TARGET", "--target"],
      ["peers", "LARDER_PEERS", "--peers"],
      ["clusterPort", "LARDER_CLUSTER_PORT", "--cluster-port"],
      ["clusterSecret", "LARDER_CLUSTER_SECRET", "--cluster-secret"],
      ["clusterTls", "LARDER_CLUSTER_TLS", "--cluster-tls"],
      ["grpcPort", "LARDER_GRPC_PORT", "--grpc-port"],
      ["grpcTls", "LARDER_GRPC_TLS", "--grpc-tls"],
      ["serverKey", "LARDER_SERVER_KEY", "--server-key"],
      ["intakeFolder", "LARDER_INTAKE_FOLDER", "--intake-folder"],
      ["archiveAfter", "LARDER_ARCHIVE_AFTER", "--archive-after"],
      ["archiveAt", "LARDER_ARCHIVE_AT", "--archive-at"],
      ["cachedStates", "LARDER_CACHED_STATES", "--cached-states"],
      ["outboundAllow", "LARDER_OUTBOUND_ALLOW", "--outbound-allow"],
      ["operatorsFrom", "LARDER_OPERATORS_FROM", "--operators-from"],
      ["drainDelay", "LARDER_DRAIN_DELAY", "--drain-delay"],
      ["deliveryMaxAttempts", "LARDER_DELIVERY_MAX_ATTEMPTS", "--delivery-max-attempts"],
      ["deliveryBackoff", "LARDER_DELIVERY_BACKOFF", "--delivery-backoff"],
      ["reconcileEvery", "LARDER_RECONCILE_EVERY", "--reconcile-every"],
      ["reconcileMode", "LARDER_RECONCILE_MODE", "--reconcile-mode"],
      ["nats", "LARDER_NATS", "--nats"],
      ["natsCredentials", "LARDER_NATS_CREDENTIALS", "--nats-credentials"],
      ["natsKeep", "LARDER_NATS_KEEP", "--nats-keep"],
      ["natsReplicas", "LARDER_NATS_REPLICAS", "--nats-replicas"],
      ["redis", "LARDER_REDIS", "--redis"],
      ["redisPrefix", "LARDER_REDIS_PREFIX", "--redis-prefix"],
    ]);
  });

  it("of sinks are addresses, of which no password is shown", () => {
    const nats = "nats://ann:secret@a:4222,tls://b";
    const { settings } = settingsOf({ env: { LARDER_NATS: nats, LARDER_REDIS: "rediss://:secret@c/2" } });
    expect(settings).toMatchObject({ nats, redis: "rediss://:secret@c/2", natsKeep: "7d", redisPrefix: "larder:" });
    expect(shownValue("nats", settings) + shownValue("redis", settings)).not.toContain("secret");
    for (const [variable, value] of [
      ["LARDER_NATS", "http://ann:secret@a"],
      ["LARDER_NATS", "nats://a,b"],
      ["LARDER_NATS", "nats://a:x"],
      ["LARDER_NATS_KEEP", "7"],
      ["LARDER_NATS_REPLICAS", "6"],
      ["LARDER_REDIS", "c:6379"],
      ["LARDER_REDIS_PREFIX", "a*"],
    ] as const) {
      const [problem] = problemsOf({ env: { [variable]: value } });
      expect(problem).toMatch(new RegExp(`^${variable} is `));
      expect(problem).not.toContain("secret");
    }
  });

  it("refuse what is not allowed, with name, value and what is allowed", () => {
    expect(problemsOf({ env: { LARDER_PORT: "80a" } })).toEqual([
      'LARDER_PORT is "80a", and must be a whole number from 0 to 65535.',
    ]);
    expect(problemsOf({ flags: { port: "-1" } })).toHaveLength(1);
    expect(problemsOf({ env: { LARDER_LOG_LEVEL: "loud" } })[0]).toContain("one of trace, debug, info");
    expect(problemsOf({ file: file({ port: "8080" }) })[0]).toContain("larder.json: port");
  });

  it("refuse lists of addresses and delays that can't be read", () => {
    expect(problemsOf({ env: { LARDER_OUTBOUND_ALLOW: "10.0.0.0/8, ten" } })[0]).toContain('"ten" is none');
    expect(problemsOf({ env: { LARDER_OUTBOUND_ALLOW: "10.0.0.0/33" } })).toHaveLength(1);
    expect(settingsOf({ env: { LARDER_OUTBOUND_ALLOW: "::1, 10.0.0.0/8" } }).settings.outboundAllow).toBe(
      "::1, 10.0.0.0/8",
    );
    for (const wrong of ["500", "0ms", "2h", "soon", "-1s"])
      expect(problemsOf({ env: { LARDER_DELIVERY_BACKOFF: wrong } })[0], wrong).toContain("a time such as");
    expect(settingsOf({ env: { LARDER_DELIVERY_BACKOFF: "10ms" } }).settings.deliveryBackoff).toBe("10ms");
  });

  it("read where other modules run, and refuse what can't be an address", () => {
    expect(parsePeers("inventory=10.0.0.1:9090, [fd00::1]:9090;sync = sync.internal:80")).toEqual(
      new Map([
        ["inventory", ["10.0.0.1:9090", "[fd00::1]:9090"]],
        ["sync", ["sync.internal:80"]],
      ]),
    );
    for (const wrong of ["inventory", "inventory=host", "=host:1", "inventory=a:1;;", "inventory=http://a:1"])
      expect(problemsOf({ env: { LARDER_PEERS: wrong } })[0], wrong).toContain("modules and addresses");
    expect(settingsOf({ env: { LARDER_CLUSTER_PORT: "9090" } }).settings.clusterPort).toBe(9090);
    expect(problemsOf({ env: { LARDER_CLUSTER_PORT: "99999" } })).toHaveLength(1);
    const [short = ""] = problemsOf({ env: { LARDER_CLUSTER_SECRET: "short" } });
    expect(short).toContain("at least 20 printable ASCII characters");
    expect(short).not.toContain("short,");
  });

  it("refuse a secret of a cluster that can't be sent, by its name and without showing it", () => {
    const secret = "correct horse battery";
    for (const fine of [secret, `${secret}\n`, ` ${secret}\r\n`])
      expect(settingsOf({ env: { LARDER_CLUSTER_SECRET: fine } }).settings.clusterSecret).toBe(fine);
    for (const wrong of [`${secret}\n${secret}`, `${secret}é`, `${secret}\0`, `${" ".repeat(20)}horse`]) {
      const problems = problemsOf({ env: { LARDER_CLUSTER_SECRET: wrong } });
      expect(problems).toEqual([expect.stringMatching(/^LARDER_CLUSTER_SECRET .*white space around it aside/)]);
      expect(problems[0]).not.toContain("horse");
    }
  });

  it("show as much of a wrong value as it takes to find it", () => {
    const [problem = ""] = problemsOf({ file: file({ host: ["x".repeat(100_000)] }) });
    expect(problem).toContain("xxx…");
    expect(problem.length).toBeLessThan(500);
    const deep = `{"port":${'{"0":'.repeat(300_000)}1${"}".repeat(300_001)}`;
    expect(problemsOf({ file: { path: "larder.json", text: deep } })[0]).toContain("too deep");
  });

  it("refuse names that do not exist, and say what was meant", () => {
    expect(problemsOf({ env: { LARDER_PROT: "1" } })).toEqual(["LARDER_PROT is no setting. Did you mean LARDER_PORT?"]);
    expect(problemsOf({ file: file({ loglevel: "info" }) })).toEqual([
      "larder.json: loglevel is no setting. Did you mean logLevel?",
    ]);
    expect(problemsOf({ env: { LARDER_SOMETHING_ELSE_ENTIRELY: "1" } })).toEqual([
      "LARDER_SOMETHING_ELSE_ENTIRELY is no setting.",
    ]);
  });

  it("report every problem at once", () => {
    expect(problemsOf({ env: { LARDER_PORT: "x", LARDER_STORE: "oracle:" }, file: file({ hots: 1 }) })).toHaveLength(3);
  });

  it("refuse engines that are not there yet, in words of their own", () => {
    expect(problemsOf({ env: { LARDER_STORE: "dynamodb://eu-west-1/larder" } })[0]).toContain("comes later");
  });

  it("take a PostgreSQL database by its address", () => {
    for (const store of ["postgres://db/larder", "postgresql://u:p@127.0.0.1:5433/larder?sslmode=verify-full"])
      expect(settingsOf({ env: { LARDER_STORE: store } }).settings.store).toBe(store);
    for (const store of ["postgres:", "postgres://", "postgres://db", "postgres://db/", "postgres://[/x"])
      expect(problemsOf({ env: { LARDER_STORE: store } })[0]).toContain("must be `sqlite:`");
  });

  it("take the time between reconciliations, or none", () => {
    for (const right of ["off", "1m", "90m", "24h"])
      expect(settingsOf({ env: { LARDER_RECONCILE_EVERY: right } }).settings.reconcileEvery).toBe(right);
    for (const wrong of ["59s", "25h", "2", "never"])
      expect(problemsOf({ env: { LARDER_RECONCILE_EVERY: wrong } })[0], wrong).toContain("from 1 minute to 24 hours");
  });

  it("take days and times of day for the archive", () => {
    const { settings } = settingsOf({ env: { LARDER_ARCHIVE_AFTER: "90d", LARDER_ARCHIVE_AT: "23:59" } });
    expect(settings).toMatchObject({ archiveAfter: "90d", archiveAt: "23:59" });
    expect(settingsOf({}).settings).toMatchObject({ archiveAfter: null, archiveAt: "03:00" });
    for (const wrong of ["90", "0d", "90h", "d"])
      expect(problemsOf({ env: { LARDER_ARCHIVE_AFTER: wrong } })[0]).toContain("a number of days, as `90d`");
    expect(problemsOf({ env: { LARDER_ARCHIVE_AT: "24:00" } })[0]).toContain("a time of day");
  });

  it("never show a secret, not even a wrong one", () => {
    const { settings } = settingsOf({ env: { LARDER_ADMIN_KEY: "correct horse battery staple" } });
    expect(shownValue("adminKey", settings)).toBe("(secret)");
    expect(problemsOf({ env: { LARDER_ADMIN_KEY: "hunter2" } })[0]).not.toContain("hunter2");
    // White space around it is no part of it.
    for (const key of [" ".repeat(30), `hunter2${" ".repeat(30)}`])
      expect(problemsOf({ env: { LARDER_ADMIN_KEY: key } }), JSON.stringify(key)).toHaveLength(1);
    expect(problemsOf({ env: { LARDER_STORE: "mysql://larder:p@ss/w@db/larder?Password=hunter2&x=1" } })[0]).toContain(
      '"mysql://***@db/larder?Password=***&x=1"',
    );
    const postgres = settingsOf({ env: { LARDER_STORE: "postgres://larder:p@ss@db/larder" } }).settings;
    expect(shownValue("store", postgres)).toBe("postgres://***@db/larder");
  });

  it("leave the client's variables alone, and take an empty one as absent", () => {
    expect(settingsOf({ env: { LARDER_URL: "http://x", LARDER_KEY: "k", LARDER_PORT: "" } }).settings.port).toBe(8080);
  });

  it("say why a file can't be read", () => {
    expect(problemsOf({ file: { path: "l.json", text: "{" } })[0]).toContain("l.json is not valid JSON");
    expect(problemsOf({ file: { path: "l.json", text: "[]" } })[0]).toContain("holds no JSON object");
    expect(problemsOf({ file: { path: "l.json", text: '{"__proto__": 1, "constructor": 2}' } })).toHaveLength(2);
  });

  it("never throw, whatever the environment and the file hold", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), fc.anything(), (variables, members) => {
        const env = Object.fromEntries(Object.entries(variables).map(([name, value]) => [`LARDER_${name}`, value]));
        loadSettings({ env, flags: {}, file: { path: "f", text: String(JSON.stringify(members)) } });
      }),
    );
  });
});
