/** What is shipped in deploy/, as the tools that read it see it, where they are installed. Nothing of it is run here. */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { home } from "../../scripts/cluster/index.ts";

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: home,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, output: `${stdout}${stderr}`, stdout };
}

/** Whether a program is there; says aloud what is left out when it is not. */
function has(command: string, why: string): boolean {
  const isThere = spawnSync(command, ["--help"]).error === undefined;
  if (!isThere) console.warn(`SKIPPED: ${why}, for there is no ${command} here`);
  return isThere;
}

describe("deploy/", () => {
  it.skipIf(!has("promtool", "rules of Prometheus are not checked"))(
    "has rules whose alarms ring when they should",
    () => {
      const rules = run("promtool", ["check", "rules", ...globSync("deploy/prometheus/*.rules.yaml", { cwd: home })]);
      expect(rules.status, rules.output).toBe(0);
      const tests = run("promtool", ["test", "rules", ...globSync("deploy/prometheus/*.test.yaml", { cwd: home })]);
      expect(tests.status, tests.output).toBe(0);
      const config = run("promtool", ["check", "config", "deploy/prometheus/prometheus.yaml"]);
      expect(config.status, config.output).toBe(0);
    },
  );

  it.skipIf(!has("docker-compose", "the compose file is not read"))(
    "has a compose file that is one",
    () => {
      const secrets = [
        "POSTGRES_PASSWORD",
        "LARDER_CLUSTER_SECRET",
        "LARDER_SERVER_KEY",
        "LARDER_ADMIN_KEY",
        "GRAFANA_PASSWORD",
      ];
      const env = Object.fromEntries(secrets.map((name) => [name, "secret"]));
      const config = ["-f", "deploy/compose.yaml", "config", "--quiet"];
      const read = run("docker-compose", config, env);
      expect(read.status, read.output).toBe(0);
      // It does not start with a secret that is empty.
      expect(run("docker-compose", config, { ...env, LARDER_ADMIN_KEY: "" }).status).not.toBe(0);
    },
    120_000,
  );

  it.skipIf(!has("kubectl", "what Kustomize makes is not looked at"))(
    "has a base and an overlay that make manifests",
    () => {
      const made = run("kubectl", ["kustomize", "deploy/kubernetes/overlays/example"]);
      expect(made.status, made.output).toBe(0);
      const kinds = [...made.stdout.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
      for (const kind of ["Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Ingress"])
        expect(kinds).toContain(kind);
      // Nothing runs as root, and nobody writes to the image.
      const count = (text: RegExp) => made.stdout.match(text)?.length ?? 0;
      const deployments = kinds.filter((kind) => kind === "Deployment").length;
      expect(count(/runAsNonRoot: true/g)).toBe(deployments);
      expect(count(/readOnlyRootFilesystem: true/g)).toBe(deployments);
      if (!has("kubernetes-validate", "manifests are not held against the schemas of Kubernetes")) return;
      const folder = mkdtempSync(join(tmpdir(), "larder-kustomize-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const file = join(folder, "all.yaml");
      writeFileSync(file, made.stdout);
      const valid = run("kubernetes-validate", ["--strict", "--quiet", file]);
      expect(valid.status, valid.output).toBe(0);
    },
  );
});
