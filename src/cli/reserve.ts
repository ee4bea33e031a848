import { Command, Option } from "commander";
import { didYouMean } from "../platform/config/index.ts";
import type {
  FulfilLine,
  Reservation,
  ReservationLine,
  ReserveRequest,
  SourcingPlan,
  wire,
} from "../services/inventory/index.ts";
import { type Client, Refusal } from "./client.ts";
import { Failure, wrongUse } from "./failure.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, spanSeconds, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

/** Named here again, by type the same, because loading the service for its names would double the time of every command. */
const strategies: typeof wire.strategyNames = ["priority", "fewest-splits", "most-stock", "nearest", "earliest-expiry"];

interface ReserveFlags extends ServerOptions {
  readonly location?: readonly string[];
  readonly ttl?: number;
  readonly id?: string;
  readonly owner?: string;
  readonly reference?: string;
  readonly strategy?: (typeof strategies)[number];
  readonly near?: string;
  readonly sellableUntil?: string;
  readonly partial?: boolean;
  readonly plan?: boolean;
}

export function reserveCommand(io: Io): Command {
  const command = new Command("reserve")
    .description(
      "Reserve units: all lines or none. Or go on with a reservation: confirm, release, fulfil, extend, show.",
    )
    .argument("<lines...>", "what to reserve, as SKU=QUANTITY")
    .option("--location <id>", "serve from here; several are tried in their order", several)
    .option("--ttl <span>", "how long the hold lasts, as 90s, 15m or 2h; default 15m", spanSeconds)
    .option("--id <id>", "id of the reservation; the same command again then answers the same")
    .option("--owner <id>", "whose it is, as a cart or customer id")
    .option("--reference <text>", "your own reference")
    .addOption(new Option("--strategy <name>", "how locations are chosen").choices([...strategies]))
    .option("--near <lat,lon>", "where the order goes, for --strategy nearest")
    .option("--sellable-until <date>", "only units that may be sold until that date")
    .option("--partial", "take what there is instead of refusing")
    .option("--plan", "only tell what would be chosen and why; holds nothing")
    .action(async (texts: string[], flags: ReserveFlags) => {
      const request = requestOf(texts, flags);
      const client = clientOf(flags, io);
      if (flags.plan) {
        const plan = await client.plan(request);
        showPlan(plan, flags, io);
        for (const hint of await unknownNames(client, plan.short)) io.note(hint);
      } else show(await reserve(client, request), flags, io);
    });
  withServer(command);
  withExamples(
    command,
    "larder reserve 85123A=2 22423=1 --ttl 15m",
    "larder reserve 85123A=2 --location leeds --id cart-7",
    "larder reserve 85123A=200 --strategy fewest-splits --plan",
    "larder reserve confirm cart-7",
    "larder reserve fulfil cart-7",
  );
  for (const step of steps(io)) command.addCommand(step);
  return command;
}

async function reserve(client: Client, request: ReserveRequest): Promise<Reservation> {
  try {
    return await client.reserve(request);
  } catch (error) {
    if (!(error instanceof Refusal) || error.problem.code !== "insufficient-stock") throw error;
    const hints = await unknownNames(client, error.problem.lines ?? []);
    throw hints.length === 0 ? error : new Failure([error.message, ...hints].join("\n"));
  }
}

/** Short lines whose names are looked up: a sentence for each is enough for a person. */
const lookedUpMax = 10;

/** What of short lines nothing is known of: to the server that is as good as sold out, to a person most likely a slip. */
async function unknownNames(
  client: Client,
  short: readonly { readonly sku: string; readonly location?: string; readonly available: number }[],
): Promise<readonly string[]> {
  const lines = short.filter(({ available }) => available === 0).slice(0, lookedUpMax);
  const hints = await Promise.all(lines.map(({ sku, location }) => unknownName(client, sku, location)));
  return [...new Set(hints.filter((hint) => hint !== undefined))];
}

async function unknownName(client: Client, sku: string, location?: string): Promise<string | undefined> {
  try {
    const { locations } = await client.stock(sku, {});
    if (location === undefined || locations.some((one) => one.location === location)) return undefined;
    return `Nothing is known of ${sku} at ${location}: is that spelt right?`;
  } catch (error) {
    // One who may not read stock is not told.
    const isUnknown = error instanceof Refusal && error.problem.code === "not-found";
    return isUnknown ? `Nothing is known of ${sku}: is that spelt right?` : undefined;
  }
}

function steps(io: Io): readonly Command[] {
  const step = (name: string, about: string) =>
    withServer(new Command(name).description(about).argument("<id>", "the reservation"));
  return [
    withExamples(step("show", "Show a reservation as it now is."), "larder reserve show cart-7").action(
      async (id: string, flags: ServerOptions) => show(await clientOf(flags, io).reservation(id), flags, io),
    ),
    withExamples(
      step("confirm", "Turn the hold into a commitment, which does not expire.").option(
        "--reacquire",
        "also when it has expired, if stock still allows",
      ),
      "larder reserve confirm cart-7",
    ).action(async (id: string, flags: ServerOptions & { reacquire?: boolean }) =>
      show(await clientOf(flags, io).confirm(id, flags.reacquire === true), flags, io),
    ),
    withExamples(
      step("release", "Give back what the reservation still holds."),
      "larder reserve release cart-7",
    ).action(async (id: string, flags: ServerOptions) => show(await clientOf(flags, io).release(id), flags, io)),
    withExamples(
      step("fulfil", "Hand over units: all, or some of them.")
        .argument("[lines...]", "what is handed over, as SKU=QUANTITY; all when absent")
        .option("--location <id>", "where the units leave from")
        .option("--idempotency-key <key>", "makes a partial hand-over safe to repeat; a new one each time when absent"),
      "larder reserve fulfil cart-7",
      "larder reserve fulfil cart-7 85123A=1 --idempotency-key parcel-1",
    ).action(
      async (id: string, texts: string[], flags: ServerOptions & { location?: string; idempotencyKey?: string }) => {
        const lines = texts.map(
          (text): FulfilLine => ({ ...lineOf(text), ...(flags.location && { location: flags.location }) }),
        );
        const idempotencyKey = flags.idempotencyKey ?? crypto.randomUUID();
        show(await clientOf(flags, io).fulfil(id, lines.length > 0 ? lines : undefined, idempotencyKey), flags, io);
      },
    ),
    withExamples(
      step("extend", "Let the hold last longer, from now; it is never shortened.").requiredOption(
        "--ttl <span>",
        "as 90s, 15m or 2h",
        spanSeconds,
      ),
      "larder reserve extend cart-7 --ttl 30m",
    ).action(async (id: string, flags: ServerOptions & { ttl: number }) =>
      show(await clientOf(flags, io).extend(id, flags.ttl), flags, io),
    ),
  ];
}

function requestOf(
  texts: readonly string[],
  flags: ReserveFlags,
): Parameters<ReturnType<typeof clientOf>["reserve"]>[0] {
  const { location, ttl, id, owner, reference, strategy, near, sellableUntil, partial } = flags;
  const [only, ...others] = location ?? [];
  const from = only === undefined ? {} : others.length === 0 ? { location: only } : { locations: [only, ...others] };
  const lines = texts.map(
    (text): ReservationLine => ({ ...lineOf(text), ...from, ...(sellableUntil && { sellableUntil }) }),
  );
  return {
    ...(id !== undefined && { id }),
    ...(owner !== undefined && { owner }),
    ...(reference !== undefined && { reference }),
    ...(ttl !== undefined && { ttlSeconds: ttl }),
    ...(strategy && { strategy }),
    ...(near !== undefined && { near: coordinatesOf(near) }),
    ...(partial && { allowPartial: true }),
    lines,
  };
}

/** `SKU=QUANTITY`; the last `=` divides, because a sku may hold one. */
function lineOf(text: string): { readonly sku: string; readonly quantity: number } {
  const at = text.lastIndexOf("=");
  const quantity = Number(text.slice(at + 1));
  if (at < 1 || !/^\d+$/.test(text.slice(at + 1)) || quantity < 1) {
    const meant = at === -1 ? didYouMean(text, ["show", "confirm", "release", "fulfil", "extend"]) : "";
    throw wrongUse(`"${text}" is not SKU=QUANTITY, as 85123A=2.${meant}`);
  }
  return { sku: text.slice(0, at), quantity };
}

function coordinatesOf(text: string): { readonly lat: number; readonly lon: number } {
  const [lat, lon, ...rest] = text.split(",").map(Number);
  if (lat === undefined || lon === undefined || rest.length > 0 || Number.isNaN(lat + lon)) {
    throw wrongUse(`--near ${text} is not a latitude and a longitude, as 53.8,-1.55.`);
  }
  return { lat, lon };
}

function show(reservation: Reservation, flags: ServerOptions, io: Io): void {
  if (flags.json) {
    io.out(JSON.stringify(reservation));
    return;
  }
  const { id, status, expiresAt } = reservation;
  const until = status === "active" && expiresAt !== null ? `, until ${expiresAt}` : "";
  io.out(`Reservation ${io.paint("bold", id)} is ${status}${until}.`);
  const lines = table(reservation.lines, [
    { title: "SKU", of: (line) => line.sku },
    { title: "LOCATION", of: (line) => line.location },
    { title: "QUANTITY", of: (line) => line.quantity },
    { title: "FULFILLED", of: (line) => line.fulfilled ?? 0 },
  ]);
  for (const line of lines) io.out(line);
}

function showPlan(plan: SourcingPlan, flags: ServerOptions, io: Io): void {
  if (flags.json) {
    io.out(JSON.stringify(plan));
    return;
  }
  io.out(plan.feasible ? "This can be served:" : "This can't be served as a whole.");
  const lines = table(plan.lines, [
    { title: "SKU", of: (line) => line.sku },
    { title: "LOCATION", of: (line) => line.location },
    { title: "QUANTITY", of: (line) => line.quantity },
    { title: "BECAUSE", of: (line) => line.because },
  ]);
  if (plan.lines.length > 0) for (const line of lines) io.out(line);
  for (const { sku, location, requested, available } of plan.short) {
    io.out(`Short: ${sku}${location ? ` at ${location}` : ""}: ${requested} asked, ${available} available.`);
  }
  for (const note of plan.notes) io.out(note);
}
