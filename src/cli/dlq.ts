import { Command, Option } from "commander";
import { limits } from "../kernel/index.ts";
import type { DeadLetterDetail, DeadLetterEnd, DeadLetterView } from "../services/intake/index.ts";
import { Refusal } from "./client.ts";
import { Failure, messageOf, wrongUse } from "./failure.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, wholeNumber, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

export function dlqCommand(io: Io): Command {
  return new Command("dlq")
    .description("See what could not be handled (dead letters), and let it be handled again or discard it.")
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(redriveCommand(io))
    .addCommand(discardCommand(io))
    .addHelpText(
      "after",
      "\nExamples:\n  larder dlq list\n  larder dlq redrive --queue intake\n\nWhat to do about each kind: docs/operations/dead-letters.md",
    );
}

interface ListFlags extends ServerOptions {
  readonly queue?: string;
  readonly limit: number;
}

function listCommand(io: Io): Command {
  const command = new Command("list")
    .description("List dead letters, newest first.")
    .option("--queue <queue>", "only of this queue")
    .addOption(new Option("--limit <n>", "at most so many").argParser(wholeNumber(1, 100_000)).default(100))
    .action(async (flags: ListFlags) => {
      const { items, hasMore } = await deadLetters(flags, io);
      if (flags.json) {
        io.out(JSON.stringify({ items, hasMore }));
        return;
      }
      if (items.length === 0) {
        io.out("There are no dead letters.");
        return;
      }
      const lines = table(items, [
        { title: "ID", of: ({ id }) => id },
        { title: "QUEUE", of: ({ queue }) => queue },
        { title: "SINCE", of: ({ deadAt }) => deadAt },
        { title: "ATTEMPTS", of: ({ attempts }) => attempts },
        { title: "CAUSE", of: ({ cause }) => shortened(cause) },
      ]);
      for (const line of lines) io.out(line);
      if (hasMore) io.note(`There are more: ask with a --limit above ${flags.limit}, or for one --queue.`);
    });
  return withExamples(withServer(command), "larder dlq list", "larder dlq list --queue intake --json");
}

function showCommand(io: Io): Command {
  const command = new Command("show")
    .description("Show a dead letter: its message, why it could not be handled, and when.")
    .argument("<id>", "as `larder dlq list` tells it")
    .action(async (id: string, flags: ServerOptions) => {
      const detail = await clientOf(flags, io).deadLetter(id);
      if (flags.json) io.out(JSON.stringify(detail));
      else for (const line of detailLines(detail)) io.out(line);
    });
  return withExamples(withServer(command), "larder dlq show dl-0000000000524290");
}

interface RedriveFlags extends ServerOptions {
  readonly queue?: string;
}

function redriveCommand(io: Io): Command {
  const command = new Command("redrive")
    .description(
      "Let dead letters be handled again: those that are named, or all of a queue. Twice changes nothing more.",
    )
    .argument("[id...]", "as `larder dlq list` tells them")
    .option("--queue <queue>", "all of this queue")
    .action(async (ids: readonly string[], flags: RedriveFlags) => {
      const client = clientOf(flags, io);
      const { queue } = flags;
      if ((queue === undefined) === (ids.length === 0))
        throw wrongUse("Name dead letters, or a --queue, and not both.");
      if (queue === undefined) {
        await endAll(ids, flags, io, (id) => client.redriveDeadLetter(id));
        return;
      }
      const answer = await client.redriveQueue(queue);
      io.out(flags.json ? JSON.stringify(answer) : `${answer.redriven} of ${queue} are handled again.`);
    });
  return withExamples(
    withServer(command),
    "larder dlq redrive dl-0000000000524290",
    "larder dlq redrive --queue intake",
  );
}

interface DiscardFlags extends ServerOptions {
  readonly reason: string;
}

function discardCommand(io: Io): Command {
  const command = new Command("discard")
    .description("Remove dead letters for good. The reason is kept.")
    .argument("<id...>", "as `larder dlq list` tells them")
    .addOption(new Option("--reason <text>", "why").makeOptionMandatory())
    .action(async (ids: readonly string[], flags: DiscardFlags) => {
      const client = clientOf(flags, io);
      await endAll(ids, flags, io, (id) => client.discardDeadLetter(id, flags.reason));
    });
  return withExamples(withServer(command), 'larder dlq discard dl-0000000000524290 --reason "sent anew by the till"');
}

/** Ends each that is named; one that can't be ended does not keep the others from it. */
async function endAll(
  ids: readonly string[],
  flags: ServerOptions,
  io: Io,
  end: (id: string) => Promise<DeadLetterEnd>,
): Promise<void> {
  const ended: DeadLetterEnd[] = [];
  const failed: { readonly id: string; readonly problem: string }[] = [];
  for (const id of ids) {
    try {
      ended.push(await end(id));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed.push({ id, problem: messageOf(error) });
    }
  }
  if (flags.json) io.out(JSON.stringify({ items: ended, failed }));
  else for (const { id, queue, end: how } of ended) io.out(`${id} of ${queue} is ${how}.`);
  if (failed.length > 0) throw new Failure(failed.map(({ id, problem }) => `${id}: ${problem}`).join("\n"));
}

async function deadLetters(
  { limit, queue, ...server }: ListFlags,
  io: Io,
): Promise<{ readonly items: readonly DeadLetterView[]; readonly hasMore: boolean }> {
  const client = clientOf(server, io);
  const items: DeadLetterView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.deadLetters({ queue, cursor, limit: Math.min(limit - items.length, limits.pageRowsMax) });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined && items.length < limit);
  return { items, hasMore: cursor !== undefined };
}

function detailLines({ message, causes, ...letter }: DeadLetterDetail): readonly string[] {
  const facts = [
    ["id", letter.id],
    ["queue", letter.queue],
    ["message", letter.messageId],
    ["key", letter.key],
    ["sent", letter.sentAt],
    ["dead since", letter.deadAt],
    ["attempts", letter.attempts],
    ["redriven", letter.redrives === 0 ? undefined : `${letter.redrives} times before`],
    ["trace", letter.trace],
  ] as const;
  return [
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${value}`])),
    "",
    letter.cause,
    ...(causes.length > 1 ? ["", ...causes.map(({ attempt, at, cause }) => `${at} attempt ${attempt}: ${cause}`)] : []),
    "",
    ...Object.entries(message.headers).map(([name, value]) => `${name}: ${value}`),
    "",
    message.text ?? JSON.stringify(message.json, null, 2),
  ];
}

function shortened(cause: string): string {
  return cause.length > 90 ? `${cause.slice(0, 89)}…` : cause;
}
