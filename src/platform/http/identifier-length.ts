import { type Ajv, str } from "ajv";
import { isLongerThan, normalise } from "../../kernel/index.ts";

/**
 * Lets `maxLength` of a text with the format `identifier` count the characters of its stored form, as contract.md does:
 * a name that a client composes otherwise (an `e` and an accent) is as long as the one it stands for.
 */
export function countingStoredForm(ajv: Ajv): Ajv {
  return ajv.removeKeyword("maxLength").addKeyword({
    keyword: "maxLength",
    type: "string",
    schemaType: "number",
    compile: (max: number, schema) =>
      schema["format"] === "identifier"
        ? (text: string) => !isLongerThan(normalise(text), max)
        : (text: string) => !isLongerThan(text, max),
    error: { message: ({ schemaCode }) => str`must NOT have more than ${schemaCode} characters` },
  });
}
