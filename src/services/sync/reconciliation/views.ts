/** Reconciliations as clients see them. Whoever is limited to locations sees only what is about these. */
import { formatInstant } from "../../../kernel/index.ts";
import type { Caller } from "../../inventory/index.ts";
import {
  type AccuracyPoint,
  accuracyOf,
  type LocationResult,
  type PassedOver,
  type Run,
  statusOf,
} from "../domain/reconciliation/index.ts";
import type { LocationAccuracy, Reconciliation, ReconciliationSummary } from "./wire.ts";

export function runView(run: Run, caller: Caller): Reconciliation {
  const findings = visibleResults(run, caller).flatMap(({ location: receiver, findings }) =>
    findings
      .filter(({ location }) => caller.locations?.has(location) ?? true)
      .map((finding) => ({ receiver, ...finding })),
  );
  return { ...runSummary(run, caller), findings };
}

export function runSummary(run: Run, caller: Caller): ReconciliationSummary {
  const { id, mode, scheduled, requestedAt, endedAt } = run;
  const results = visibleResults(run, caller);
  const sum = (of: (result: LocationResult) => number) => results.reduce((total, result) => total + of(result), 0);
  const total = {
    compared: sum((one) => one.compared),
    inFlight: sum((one) => one.inFlight),
    found: sum((one) => one.found),
  };
  return {
    id,
    status: statusOf(run),
    mode,
    scheduled,
    requestedAt: formatInstant(requestedAt),
    endedAt: endedAt === undefined ? null : formatInstant(endedAt),
    ...figures(total),
    locations: results.map((result) => ({
      location: result.location,
      ...figures(result),
      findings: result.found,
      left: result.actions.none ?? 0,
      passedOver: (result.passedOver ?? []).map((passed) => passedOverView(passed, caller)),
      cause: result.cause ?? null,
    })),
  };
}

function passedOverView({ reason, count, first: { sku, location } }: PassedOver, { locations }: Caller) {
  return { reason, count, first: (locations?.has(location) ?? true) ? { sku, location } : null };
}

function figures(result: Pick<LocationResult, "compared" | "inFlight" | "found">) {
  const { compared, inFlight, found } = result;
  return { compared, matched: compared - found, inFlight, accuracy: accuracyOf(result) };
}

function visibleResults(run: Run, { locations }: Caller): readonly LocationResult[] {
  return run.results.filter(({ location }) => locations?.has(location) ?? true);
}

export function accuracyView(location: string, points: readonly AccuracyPoint[]): LocationAccuracy {
  const history = points.map((point) => ({
    at: formatInstant(point.at),
    compared: point.compared,
    findings: point.found,
    accuracy: accuracyOf(point),
  }));
  const { at: reconciledAt = "", accuracy = 1 } = history.at(-1) ?? {};
  return { location, reconciledAt, accuracy, discrepancyRate: 1 - accuracy, history };
}
