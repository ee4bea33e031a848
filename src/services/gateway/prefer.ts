import type { FastifyRequest } from "fastify";

/** Whether a request states a preference that has no value (RFC 7240), as `respond-async`. */
export function prefers({ headers }: Pick<FastifyRequest, "headers">, preference: string): boolean {
  const { prefer } = headers;
  if (prefer === undefined) return false;
  const stated = Array.isArray(prefer) ? prefer.join(",") : prefer;
  // Commas and semicolons inside of quotes separate nothing; an empty value is none.
  const bare = stated.replace(/"(?:[^"\\]|\\.)*"/g, (quoted) => (quoted === '""' ? "" : '"'));
  return bare.split(",").some((one) => {
    const [name = "", value = ""] = (one.split(";")[0] ?? "").split("=").map((part) => part.trim());
    return name.toLowerCase() === preference && value === "";
  });
}
