import { flagOf, isSecret, otherVariables, type SettingName, schema, settingNames, variableOf } from "./settings.ts";
import { allowed } from "./value.ts";

/** The text of `docs/reference/configuration.md`. */
export function configurationReference(): string {
  const rows = settingNames.map((name) => {
    const fallback = schema[name].default;
    const secret = isSecret(name) ? " Secret: masked wherever settings are shown." : "";
    return `| \`${variableOf(name)}\` | \`${flagOf(name)}\` | \`${name}\` | ${fallback === null ? "none" : `\`${fallback}\``} | ${allowed(name)} | ${schema[name].description}${secret} |`;
  });
  const others = Object.entries(otherVariables).map(([variable, meaning]) => `| \`${variable}\` | ${meaning} |`);
  return `# Configuration

<!-- Written by scripts/reference.ts from src/platform/config/settings.ts; edit that, then run \`node bin/larder.js --tool scripts/reference.ts\`. -->

A setting can be given in a JSON file, in the environment, and by a flag of \`larder serve\`; a flag wins over the
environment, the environment over the file, the file over the default. The file is named by \`--config\` or
\`LARDER_CONFIG\` and holds the names of the third column:

\`\`\`json
${JSON.stringify(exampleFile, null, 2)}
\`\`\`

A value that is not allowed stops the start, and so does a name that does not exist: an unknown member of the file, or
an unknown variable that begins with \`LARDER_\`. \`larder serve --print-config\` shows every setting and where its value
came from, secrets masked, without starting anything.

| variable | flag | in the file | default | allowed | meaning |
| --- | --- | --- | --- | --- | --- |
${rows.join("\n")}

Variables that are no settings of the server:

| variable | meaning |
| --- | --- |
${others.join("\n")}
`;
}

const exampleFile: Partial<Record<SettingName, unknown>> = { port: 8080, data: "/var/lib/larder", logFormat: "json" };
