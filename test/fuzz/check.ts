/** What must hold of every answer, whatever was asked. */
import { catalogue } from "../../src/kernel/index.ts";

/** An input broke a property; the message says which, and the input can be shown. */
export class Finding extends Error {}

export function insist(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Finding(message);
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What no answer may hold: where the code lies, and how it failed. */
const innards = [
  /\bat (?:async )?[\w.<>]+ \(/,
  /node_modules/,
  /node:internal/,
  /\.[cm]?[jt]s:\d+/,
  /SQLITE_/,
  /\b[A-Z]\w*Error\b/,
];
const here = process.cwd();

const codes: Readonly<Record<string, { readonly http: number }>> = catalogue;

/** `hasBody` is false for an answer to HEAD. */
export function checkAnswer({ status, contentType, body }: Answer, hasBody = true): void {
  insist(status < 500, `it was answered by ${status}: ${body.slice(0, 500)}`);
  if (status < 400) return;
  insist(
    /^application\/problem\+json\b/.test(contentType),
    `a ${status} came as "${contentType}": ${body.slice(0, 300)}`,
  );
  if (!hasBody) return;
  let problem: Record<string, unknown>;
  try {
    problem = JSON.parse(body);
  } catch {
    throw new Finding(`a ${status} holds no JSON: ${body.slice(0, 300)}`);
  }
  const code = String(problem["code"]);
  insist(Object.hasOwn(codes, code), `a ${status} has the code "${code}", which is not in the catalogue`);
  insist(codes[code]?.http === status && problem["status"] === status, `code ${code} does not belong to ${status}`);
  for (const member of ["type", "title", "detail", "instance", "requestId"]) {
    insist(typeof problem[member] === "string", `a ${status} lacks "${member}"`);
  }
  insist(!body.includes(here), `an answer tells where the program lies: ${body.slice(0, 500)}`);
  const told = innards.find((pattern) => pattern.test(body));
  insist(told === undefined, `an answer holds ${told}: ${body.slice(0, 500)}`);
}

/** Inherited by everything: nothing that came from outside may reach in there. */
const inherited = [Object.prototype, Array.prototype, Function.prototype, String.prototype].map(
  (prototype) => [prototype, Reflect.ownKeys(prototype).length] as const,
);

export function checkPrototypes(): void {
  for (const [prototype, count] of inherited)
    insist(Reflect.ownKeys(prototype).length === count, "a prototype that everything shares has been changed");
}
