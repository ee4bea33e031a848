import type { HttpServer } from "./server.ts";

/**
 * Follows the routes of a server as they are added, to tell which methods a path has: the router itself answers 404 for
 * a method that a path has not.
 */
export function routeTable(server: HttpServer): (path: string) => readonly string[] {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  server.addHook("onRoute", ({ url, method }) => {
    routes.push({ pattern: patternOf(url), methods: [method].flat() });
  });
  return (path) => [...new Set(routes.flatMap(({ pattern, methods }) => (pattern.test(path) ? methods : [])))];
}

/** `/v1/items/:sku` matches one segment for `:sku`; `::` is a colon, `*` the rest. */
function patternOf(url: string): RegExp {
  const source = url
    .split(/(::|:\w+|\*)/)
    .map((part) => {
      if (part === "::") return ":";
      if (part === "*") return ".*";
      return part.startsWith(":") ? "[^/]+" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`);
}
