import { Command, Option } from "commander";
import { type Scope, scopes } from "../platform/auth/index.ts";
import type { KeyView } from "../services/identity/index.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

interface CreateFlags extends ServerOptions {
  readonly scope: readonly Scope[];
  readonly location?: string[];
  readonly source?: string[];
  readonly ownReservations?: boolean;
  readonly expiresAt?: string;
}

export function keysCommand(io: Io): Command {
  return new Command("keys")
    .description("Make, list and revoke API keys.")
    .addCommand(createCommand(io))
    .addCommand(listCommand(io))
    .addCommand(revokeCommand(io))
    .addHelpText("after", "\nExamples:\n  larder keys create till-4 --scope stock:write\n  larder keys list");
}

function createCommand(io: Io): Command {
  const scopeOption = new Option("--scope <scope...>", "what it may do").choices([...scopes]).makeOptionMandatory();
  const command = new Command("create")
    .description("Make a key. Its secret is shown this once; Larder keeps only a hash of it.")
    .argument("<name>", "what the key is for")
    .addOption(scopeOption)
    .option("--location <id>", "only this location exists for it; may be given several times", several)
    .option("--source <source>", "only this source of facts may it speak for; may be given several times", several)
    .option("--own-reservations", "it sees only the reservations that it made")
    .option("--expires-at <time>", "RFC 3339; never when absent")
    .action(async (name: string, flags: CreateFlags) => {
      const joined = flags.location?.find((location) => location.includes(","));
      if (joined !== undefined)
        io.note(`"${joined}" is one location here; for several, give --location once for each.`);
      const created = await clientOf(flags, io).createKey({
        name,
        scopes: [...flags.scope],
        ...(flags.location && { locations: flags.location }),
        ...(flags.source && { sources: flags.source }),
        ...(flags.ownReservations && { ownReservations: true }),
        ...(flags.expiresAt !== undefined && { expiresAt: flags.expiresAt }),
      });
      if (flags.json) {
        io.out(JSON.stringify(created));
        return;
      }
      io.note(`Key ${created.id} (${created.name}) is made. Its secret is shown this once:`);
      io.out(created.key);
    });
  return withExamples(
    withServer(command),
    "larder keys create till-4 --scope stock:write --location leeds",
    "larder keys create shop --scope stock:read reservations:write --own-reservations",
  );
}

function listCommand(io: Io): Command {
  const command = new Command("list").description("List the keys that stand.").action(async (flags: ServerOptions) => {
    const keys = await allKeys(flags, io);
    if (flags.json) {
      io.out(JSON.stringify({ items: keys }));
      return;
    }
    const lines = table(keys, [
      { title: "ID", of: (key) => key.id },
      { title: "NAME", of: (key) => key.name },
      { title: "SCOPES", of: (key) => key.scopes.join(" ") },
      { title: "LIMITED TO", of: limitsOf },
      { title: "CREATED", of: (key) => key.createdAt },
      { title: "EXPIRES", of: (key) => key.expiresAt ?? "never" },
    ]);
    for (const line of lines) io.out(line);
  });
  return withExamples(withServer(command), "larder keys list");
}

function revokeCommand(io: Io): Command {
  const command = new Command("revoke")
    .description("End a key, at once, also where it is being used.")
    .argument("<id>", "the key's id (not its secret)")
    .action(async (id: string, flags: ServerOptions) => {
      await clientOf(flags, io).revokeKey(id);
      io.out(flags.json ? JSON.stringify({ revoked: id }) : `Key ${id} is revoked.`);
    });
  return withExamples(withServer(command), "larder keys revoke k0m8x2v1c4f00ba");
}

async function allKeys(flags: ServerOptions, io: Io): Promise<readonly KeyView[]> {
  const client = clientOf(flags, io);
  const keys: KeyView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.keys(cursor);
    keys.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return keys;
}

function limitsOf({ locations, sources, ownReservations }: KeyView): string {
  const parts = [...(locations ?? []), ...(sources ?? []), ...(ownReservations ? ["own reservations"] : [])];
  return parts.join(", ") || "-";
}
