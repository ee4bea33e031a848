/** Every bound of the client, with its unit and its reason. */
export const limits = {
  /** Facts, skus or items in one request: Larder takes no more. */
  batchItemsMax: 1000,
  /** Bytes of facts in one request: Larder's limit is 1 MiB, and the brackets and commas need some. */
  batchBytesMax: 1_000_000,
  /** Milliseconds an attempt may take before it counts as unanswered: five times what Larder lets a read wait. */
  attemptMs: 10_000,
  /** Attempts after the first. With the delays below they span two to four seconds: a restart of Larder. */
  retries: 4,
  /** Milliseconds: the longest first delay, which doubles with each attempt, and the longest of all. */
  backoffMs: 200,
  backoffMsMax: 5000,
  /** Milliseconds that `Retry-After` may ask for; beyond it the caller is told instead. */
  retryAfterMsMax: 30_000,
  /** Milliseconds: the longest delay before a lost feed is opened again. Many readers come back at once, so not less. */
  reconnectMsMax: 2000,
  /** Seconds between signs of life on a feed when its reader asks for none in particular: what Larder does by itself. */
  heartbeatSeconds: 15,
  /** Signs of life that may be missing before a feed counts as lost, and milliseconds on top for a slow network. */
  heartbeatsMissed: 2,
  heartbeatGraceMs: 1000,
  /** Characters of a line of a feed: an event of 80 lines has some kB; more is no feed of Larder's. */
  feedLineCharsMax: 16_777_216,
  /** Skus that a cache holds: measured 0.54 kB each with one location, so some 60 MB. */
  cachedSkusMax: 100_000,
  /** Skus that wait to be fetched; more are answered as pending and not remembered, which bounds a flood of invented ones. */
  pendingSkusMax: 100_000,
  /** Characters of the skus and locations that a cache follows by name: the head of a request may have 16 kB. */
  feedNamesCharsMax: 12_000,
  /** Milliseconds an attempt to fetch skus for a cache may take: Larder's longest wait for its read side, and some. */
  fetchMs: 3000,
  /** Skus that a fetch may have more than the one before that was answered: ten answers after an outage it is full again. */
  fetchGrowth: 100,
  /** Milliseconds after which an answer that nobody has confirmed is stale: a lost connection shows after three seconds. */
  staleAfterMs: 5000,
  /** Seconds between confirmations for a cache: one line a second costs nobody anything. */
  cacheHeartbeatSeconds: 1,
} as const;
