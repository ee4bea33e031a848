import { Command } from "commander";
import type { CreatedWebhook, WebhookAttempt, WebhookView } from "../services/relay/index.ts";
import type { Client } from "./client.ts";
import { Failure } from "./failure.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, withExamples, withServer } from "./options.ts";
import { fullType } from "./stock.ts";
import { table } from "./table.ts";

interface CreateFlags extends ServerOptions {
  readonly type?: string[];
  readonly sku?: string[];
  readonly location?: string[];
}

interface ReplayFlags extends ServerOptions {
  readonly after: string;
}

/** Attempts that `show` lists. */
const shownAttempts = 20;

export function webhooksCommand(io: Io): Command {
  const command = new Command("webhooks")
    .description("Have recorded events posted to URLs, and see how that goes.")
    .addCommand(createCommand(io))
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(testCommand(io))
    .addCommand(stepCommand(io, "pause", "Send nothing until it is enabled; nothing is lost in between.", "is paused"))
    .addCommand(stepCommand(io, "enable", "Send again, dead letters too.", "is enabled"))
    .addCommand(rotateCommand(io))
    .addCommand(replayCommand(io))
    .addCommand(deleteCommand(io));
  return withExamples(
    command,
    "larder webhooks create https://shop.example.com/hooks --location leeds",
    "larder webhooks list",
    "larder webhooks show w0m8x2v1c4f00ba",
  );
}

function createCommand(io: Io): Command {
  const command = new Command("create")
    .description("Have events posted from now on. The secret to verify them with is shown this once.")
    .argument("<url>", "where to")
    .option(
      "--type <type>",
      "only events of this type, as stock.sold or larder.stock.sold.v1; may be given several times",
      several,
    )
    .option("--sku <sku>", "only events about this sku; may be given several times", several)
    .option("--location <id>", "only events about this location; may be given several times", several)
    .action(async (url: string, flags: CreateFlags) => {
      const created = await clientOf(flags, io).createWebhook({
        url,
        ...(flags.type && { types: flags.type.map(fullType) }),
        ...(flags.sku && { skus: flags.sku }),
        ...(flags.location && { locations: flags.location }),
      });
      tellSecret(created, flags, io, `Webhook ${created.id} is made. Its secret is shown this once:`);
    });
  return withExamples(withServer(command), "larder webhooks create https://shop.example.com/hooks --location leeds");
}

function listCommand(io: Io): Command {
  const command = new Command("list")
    .description("List webhooks and how they do.")
    .action(async (flags: ServerOptions) => {
      const webhooks = await all(clientOf(flags, io));
      if (flags.json) {
        io.out(JSON.stringify({ items: webhooks }));
        return;
      }
      const lines = table(webhooks, [
        { title: "ID", of: ({ id }) => id },
        { title: "STATE", of: stateOf },
        { title: "WAITING", of: ({ waiting }) => waiting },
        { title: "DEAD", of: ({ deadLetters }) => deadLetters },
        { title: "LAST SUCCESS", of: ({ lastSuccessAt }) => lastSuccessAt ?? "-" },
        { title: "URL", of: ({ url }) => url },
      ]);
      for (const [index, line] of lines.entries()) {
        const isTroubled = index > 0 && stateOf(webhooks[index - 1]) !== "active";
        io.out(isTroubled ? io.paint("yellow", line) : line);
      }
    });
  return withExamples(withServer(command), "larder webhooks list");
}

function showCommand(io: Io): Command {
  const command = new Command("show")
    .description("Show a webhook and its newest deliveries.")
    .argument("<id>", "the webhook's id")
    .action(async (id: string, flags: ServerOptions) => {
      const client = clientOf(flags, io);
      const [webhook, { items }] = await Promise.all([client.webhook(id), client.webhookDeliveries(id, shownAttempts)]);
      if (flags.json) {
        io.out(JSON.stringify({ ...webhook, deliveries: items }));
        return;
      }
      const { url, waiting, deadLetters, reason } = webhook;
      io.out(`${id}: ${stateOf(webhook)}${reason === null ? "" : `, for ${reason}`}; ${url}`);
      io.out(`${waiting} waiting, ${deadLetters} dead letters`);
      const lines = table(items, [
        { title: "TIME", of: ({ time }) => time },
        { title: "EVENT", of: ({ event }) => event },
        { title: "TYPE", of: ({ type }) => type },
        { title: "ATTEMPT", of: ({ attempt }) => attempt },
        { title: "MS", of: ({ ms }) => ms },
        { title: "OUTCOME", of: outcomeOf },
      ]);
      for (const line of items.length === 0 ? [] : lines) io.out(line);
    });
  return withExamples(withServer(command), "larder webhooks show w0m8x2v1c4f00ba");
}

function testCommand(io: Io): Command {
  const command = new Command("test")
    .description("Post a test event now, and tell what became of it.")
    .argument("<id>", "the webhook's id")
    .action(async (id: string, flags: ServerOptions) => {
      const attempt = await clientOf(flags, io).testWebhook(id);
      if (flags.json) io.out(JSON.stringify(attempt));
      else if (attempt.delivered) io.out(`It was answered ${attempt.status} after ${attempt.ms} ms.`);
      if (!attempt.delivered) throw new Failure(`It was not delivered: ${attempt.cause}.`);
    });
  return withExamples(withServer(command), "larder webhooks test w0m8x2v1c4f00ba");
}

function stepCommand(io: Io, step: "pause" | "enable", description: string, told: string): Command {
  const command = new Command(step)
    .description(description)
    .argument("<id>", "the webhook's id")
    .action(async (id: string, flags: ServerOptions) => {
      const webhook = await clientOf(flags, io).changeWebhook(id, step);
      io.out(flags.json ? JSON.stringify(webhook) : `Webhook ${id} ${told}.`);
    });
  return withExamples(withServer(command), `larder webhooks ${step} w0m8x2v1c4f00ba`);
}

function rotateCommand(io: Io): Command {
  const command = new Command("rotate-secret")
    .description("Get another secret, shown this once; the former signs too for a day.")
    .argument("<id>", "the webhook's id")
    .action(async (id: string, flags: ServerOptions) => {
      const rotated = await clientOf(flags, io).rotateWebhookSecret(id);
      tellSecret(rotated, flags, io, `Until ${rotated.formerSecretUntil} both sign. The new one is shown this once:`);
    });
  return withExamples(withServer(command), "larder webhooks rotate-secret w0m8x2v1c4f00ba");
}

function replayCommand(io: Io): Command {
  const command = new Command("replay")
    .description("Send again all that was recorded after a position.")
    .argument("<id>", "the webhook's id")
    .requiredOption("--after <position>", "a position that Larder has given")
    .action(async (id: string, flags: ReplayFlags) => {
      const webhook = await clientOf(flags, io).replayWebhook(id, flags.after);
      io.out(flags.json ? JSON.stringify(webhook) : `What came after that position is sent to ${webhook.url} again.`);
    });
  return withExamples(withServer(command), "larder webhooks replay w0m8x2v1c4f00ba --after MS5…");
}

function deleteCommand(io: Io): Command {
  const command = new Command("delete")
    .description("End a webhook, with all that waits for it.")
    .argument("<id>", "the webhook's id")
    .action(async (id: string, flags: ServerOptions) => {
      await clientOf(flags, io).deleteWebhook(id);
      io.out(flags.json ? JSON.stringify({ deleted: id }) : `Webhook ${id} is deleted.`);
    });
  return withExamples(withServer(command), "larder webhooks delete w0m8x2v1c4f00ba");
}

async function all(client: Client): Promise<readonly WebhookView[]> {
  const webhooks: WebhookView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.webhooks(cursor);
    webhooks.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return webhooks;
}

function tellSecret(webhook: CreatedWebhook, flags: ServerOptions, io: Io, note: string): void {
  if (flags.json) {
    io.out(JSON.stringify(webhook));
    return;
  }
  io.note(note);
  io.out(webhook.secret);
}

function stateOf(webhook: WebhookView | undefined): string {
  if (webhook === undefined) return "";
  return webhook.status === "active" && webhook.failingSince !== null ? "failing" : webhook.status;
}

function outcomeOf({ delivered, status, cause }: WebhookAttempt): string {
  return delivered ? `answered ${status}` : (cause ?? "");
}
