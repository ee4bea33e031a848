import type { SinkStock } from "../port.ts";

/** The members of a stock's hash, in the order in which the script takes them. */
export const stockFields = [
  "sku",
  "location",
  "available",
  "onHand",
  "unavailable",
  "reserved",
  "committed",
  "safetyStock",
  "incoming",
  "updatedAt",
  "version",
] as const satisfies readonly (keyof SinkStock)[];

/**
 * Writes stocks and moves the position, all or nothing of it: nothing where the position is not the one expected, and of a
 * stock nothing where a version at least as new is there. Answers how many stocks were written, -1 for a position that is
 * not the one expected.
 *
 * KEYS: the position; then for each stock its hash and the set of its sku. ARGV: the position expected (empty for none), the
 * new one, the channel of changes; then for each stock its members in the order of `stockFields`.
 */
export const writeStocks = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return -1 end
local names = {${stockFields.map((name) => `'${name}'`).join(", ")}}
local written = 0
for stock = 0, (#KEYS - 1) / 2 - 1 do
  local hash, at = KEYS[2 + 2 * stock], 3 + stock * #names
  local held = redis.call('HGET', hash, 'version')
  if not held or tonumber(held) < tonumber(ARGV[at + #names]) then
    local members = {}
    for index, name in ipairs(names) do
      members[2 * index - 1] = name
      members[2 * index] = ARGV[at + index]
    end
    redis.call('HSET', hash, unpack(members))
    redis.call('SADD', KEYS[3 + 2 * stock], ARGV[at + 2])
    redis.call('PUBLISH', ARGV[3], hash)
    written = written + 1
  end
end
if ARGV[1] ~= ARGV[2] then redis.call('SET', KEYS[1], ARGV[2]) end
return written
`;
