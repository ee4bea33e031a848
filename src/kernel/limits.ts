/** Every bound of the system, with its unit and its reason. */
export const limits = {
  /** Units in one request or fact: far above any shipment, far below where sums lose whole numbers. */
  quantityMax: 1e12,
  /** Units in any total; beyond it a fact is `out-of-range`. Keeps sums of totals below 2^53. */
  totalMax: 1e15,
  /** Characters (code points) of a sku. */
  skuLengthMax: 100,
  /** Characters (code points) of a location. */
  locationLengthMax: 64,
  /** Characters of every other identifier a client chooses: reservation, owner, reference, lot, source, fact id. */
  identifierLengthMax: 256,
  /** Characters of a reason or a name. */
  textLengthMax: 500,
  /** Facts, skus or items in one request. */
  batchItemsMax: 1000,
  /** GTINs of one item. */
  itemGtinsMax: 100,
  /** Bytes of a request body. */
  bodyBytesMax: 1_048_576,
  /** Lines of a reservation or an order; also (sku, location) pairs of a unit, so that it fits DynamoDB's 100 items. */
  reservationLinesMax: 80,
  reservationPairsMax: 80,
  /** Seconds a hold may last: 30 days. */
  reservationTtlSecondsMax: 2_592_000,
  reservationTtlSecondsDefault: 900,
  /** Rows of a page. */
  pageRowsMax: 1000,
  pageRowsDefault: 100,
  /** Milliseconds a fact may be dated ahead of its receipt before it takes effect as of receipt. */
  clockAheadMsMax: 300_000,
  /** Characters of a position token. */
  positionLengthMax: 2048,
  /** Milliseconds a read waits for the read side to reach `Larder-Min-Position`. */
  minPositionWaitMs: 2000,
  /** Characters of an `Idempotency-Key`. */
  idempotencyKeyLengthMax: 256,
  /** Characters of an `X-Request-Id` that is taken over; a longer one is replaced. */
  requestIdLengthMax: 128,
  /** Characters of a path parameter, still percent-encoded: 256 code points of 4 bytes, 3 characters each. */
  pathParameterLengthMax: 3072,
  /** Characters of a bearer token: far above a signed token with many claims. */
  tokenLengthMax: 8192,
  /** Levels a large body may nest: far above any request, far below what recursion can walk. */
  jsonDepthMax: 64,
  /** Findings listed in the `errors` of one problem. */
  problemErrorsMax: 20,
  /** Bytes of a body that is looked through for every finding instead of the first: bounds the work for a bad one. */
  allFindingsBytesMax: 16_384,
  /** Characters of a secret that an operator chooses: shorter ones can be guessed. */
  adminKeyLengthMin: 20,
  /** Requests of one credential that are being answered; beyond it `too-many-requests`, so that others get through. */
  credentialInFlightMax: 1000,
  /** Requests that are being answered; beyond it `overloaded`. */
  inFlightMax: 5000,
  /** Milliseconds in which a request must have come in whole: 1 MiB at 17 kB/s; slower ones only hold a place. */
  requestReceiveMs: 60_000,
  /** Milliseconds between looks for requests that have not come in whole: how late they are cut off at most. */
  connectionsCheckMs: 5000,
  /** Milliseconds in which nothing goes either way on a connection before it is cut: a reader who takes no answer. */
  connectionIdleMs: 90_000,
  /** Connections at once; fewer where the process may open fewer files, of which some are kept for the store. */
  connectionsMax: 10_000,
  /** Files kept for the store, its checkpoints, and the runtime itself: a server at rest has about 40 open. */
  filesReserved: 64,
  /**
   * Of looks into the log that others append to, for the key of a token that nobody is known by: milliseconds between two, until
   * one is given up, and tokens that may wait for one.
   */
  keyLookMs: 100,
  keyLookAnswerMs: 1000,
  keyLooksWaitingMax: 100,
  /** Open change feeds of one credential, and of all together. */
  credentialFeedsMax: 100,
  feedsMax: 1000,
  /** Milliseconds between signs of life on a quiet change feed: below the idle limit of common proxies (30 s and up). */
  feedHeartbeatMs: 15_000,
  /** Milliseconds a reader of a change feed may leave its buffer full before it is cut off. */
  feedStallMs: 60_000,
  /** Bytes that may wait in a WebSocket before the feed stops reading the log for it. */
  socketBufferBytesMax: 1_048_576,
  /** Milliseconds the other side gets to end a connection that we have ended: a refused one, or a WebSocket. */
  socketCloseMs: 1000,
  /** Milliseconds that requests in flight get to finish at a stop: pushes, deliveries and the store come after them, within 10 s. */
  drainMs: 5000,
  /** Milliseconds of `LARDER_DRAIN_DELAY` at most: load balancers look every few seconds, the slow ones every half minute. */
  drainDelayMsMax: 120_000,
  /** Events that the read side may be behind while the server still counts as ready: what it catches up with in a second. */
  readyLagEventsMax: 20_000,
  /** Milliseconds between attempts to bring a write onto a disk whose sync failed: a broken disk can take long to say so. */
  syncAgainMs: 250,
  /** Milliseconds between the writes by which readiness sees that the store takes them. */
  readinessWriteMs: 1000,
  /** Seconds in `Retry-After`. */
  retryAfterSeconds: 1,
  /** Commands that wait for the ledger before more are turned away with `overloaded`; others are not for large batches. */
  ledgerQueueMax: 50_000,
  /** Commands decided and appended in one go: bounds the latency of the first and the memory of the append. */
  flushCommandsMax: 1024,
  /** Of large batches, which are those that hold more: so many are decided in one go, on top, while others ask too. */
  flushBulkMax: 128,
  /** Rounds without others after which large batches have them to themselves: a second or two of an import. */
  roundsAlone: 256,
  /** Times a command is decided again after others moved its streams. */
  conflictRetriesMax: 3,
  /** Locations up to which `fewest-splits` looks at every combination. */
  exactSourcingLocationsMax: 12,
  /** Stock and reservation states kept in memory: 0.3 to 0.5 KB each while nothing is held; short memory empties it. */
  cachedStatesMax: 1_000_000,
  /** Versions of streams kept in memory by an engine with one writer: about 100 bytes each. */
  versionsCachedMax: 200_000,
  /** Days before its date at which a lot may be announced: ten years, more than anything in a shop keeps. */
  expiringDaysMax: 3650,
  /** References of closed expected receipts remembered by one stock. */
  incomingReferencesMax: 256,
  /** Characters of a row of an imported file, and of a line: more is a quote left open, or not a table at all. */
  importRowCharsMax: 1_048_576,
  /** Characters of a pattern in a mapping, and steps it may come to: bounds what one row costs. */
  importPatternCharsMax: 1000,
  importPatternStepsMax: 2000,
  /** Ids an import remembers to tell repeated rows: 12 bytes each, at most 384 MiB. */
  importIdsRememberedMax: 24_000_000,
  /** Rows of a lookup table, which is held in memory. */
  importLookupRowsMax: 1_000_000,
  /** Characters of a lookup table: a packed one tells by its size nothing of what it holds. */
  importLookupCharsMax: 100_000_000,
  /** Rows that items of one import are made of, which are held to tell those that the server turns down. */
  importItemRowsMax: 2_000_000,
  /** Items of one import, which are held in memory until every row of the file has been merged. */
  importItemsMax: 500_000,
  /** Batches an import has under way: one is on its way, one read, one decided, one written to the disk. */
  importBatchesInFlight: 4,
  /** Milliseconds an import goes on asking a server that is busy or out of reach before it gives up. */
  importRetryMsMax: 120_000,
  /** Elements of an imported XML document inside one another: an event with extensions has a dozen. */
  xmlDepthMax: 64,
  /** Elements and characters of one EPCIS event in XML, which is held in memory: far above a pallet of serials. */
  epcisEventElementsMax: 200_000,
  epcisEventCharsMax: 16_777_216,
  /** Characters of an EPCIS document in JSON, which is held in memory whole. */
  epcisJsonCharsMax: 134_217_728,
  /** Events of one captured document: what other requests may hold of items. */
  captureEventsMax: 1000,
  /** Facts that one captured document may come to: an event makes one for each item and lot. */
  captureFactsMax: 10_000,
  /** Things that opening the logistic units of one captured document may bring up: a second of work at most. */
  captureThingsMax: 50_000,
  /** Problems kept of one capture job; all are counted. */
  captureProblemsMax: 50,
  /** Captured documents' parts that wait, before more are turned away with `overloaded`: at most 2.5 GB. */
  captureQueueMax: 10_000,
  /** Rows of a page of the EPCIS interface, where the standard's default is 30. */
  epcisPageRowsDefault: 30,
  /** Recorded events looked at for one page of the EPCIS interface; a page may come short for it, and a link goes on. */
  epcisQueryLooksMax: 10_000,
  /** Characters of the name of a queue or a topic. */
  queueNameLengthMax: 100,
  /** Queues of one server: one for each warehouse or endpoint, and room in the numbers of places (2^13). */
  queuesMax: 8000,
  /** Messages of one queue, dead letters among them: about 1 GB of small ones. */
  queueDepthMax: 2_000_000,
  /** Attempts that a queue may allow before it makes a dead letter itself. */
  queueAttemptsMax: 1000,
  /** Milliseconds for which ids of messages may be remembered: 14 days. */
  deduplicationMsMax: 1_209_600_000,
  /** Bytes of a message with its headers: what every queue service takes. */
  messageBytesMax: 262_144,
  messageHeadersMax: 32,
  /** Messages, and bytes, sent in one call. */
  messageBatchMax: 1000,
  messageBatchBytesMax: 16_777_216,
  /** Messages received in one call: a batch of facts. */
  receiveMessagesMax: 1000,
  /** Bytes of bodies that a receiver may ask for at most: what 1,000 of the largest messages have. */
  receiveBytesMax: 262_144_000,
  /** Milliseconds a receiver waits for a message. */
  receiveWaitMsMax: 60_000,
  /** Milliseconds a message may be delayed when it is sent, and before it comes again: what queue services allow (15 min, 12 h). */
  messageDelayMsMax: 900_000,
  retryDelayMsMax: 43_200_000,
  /** Milliseconds of one lease: 12 hours. */
  leaseMsMax: 43_200_000,
  /** Milliseconds that a `Retry-After` may make us wait: beyond that it is taken for a mistake. */
  retryAfterMsMax: 21_600_000,
  /** Causes of failed attempts kept with a message, the newest. */
  attemptCausesMax: 20,
  /** Characters of a cause; the rest is cut off. */
  causeLengthMax: 1000,
  /** Dead letters whose end is remembered after they were redriven or discarded. */
  deadLetterRecordsMax: 10_000,
  /** Bytes of requests that wait for the queues' file before more are turned away with `overloaded`. */
  messagingWaitingBytesMax: 67_108_864,
  /** Characters of a URL that a user configures for outgoing calls. */
  outboundUrlLengthMax: 2048,
  /** Connections to one host at once, of all that call it: enough for a busy receiver, few enough not to flood one. */
  outboundSocketsPerHostMax: 16,
  /** Milliseconds an unused connection is kept: below the 60 s after which common receivers end them. */
  outboundIdleMs: 15_000,
  /** Milliseconds to a connection, and to a whole answer: what Standard Webhooks advises (15 to 30 s). */
  outboundConnectMs: 10_000,
  outboundTotalMs: 30_000,
  /** Bytes read of an answer of which only the status counts: what is left lets its connection be used again. */
  outboundAnswerBytesMax: 65_536,
  /** Bytes of the key of a webhook's secret (Standard Webhooks: 192 to 512 bits). */
  webhookKeyBytesMin: 24,
  webhookKeyBytesMax: 64,
  /** Milliseconds that the clock of a signed message may differ from the receiver's (Standard Webhooks). */
  webhookClockSkewMsMax: 300_000,
  /** Attempts of one delivery that may be configured: a queue makes a dead letter after a few more. */
  deliveryAttemptsMax: 900,
  /** Milliseconds of the first delay that may be configured. */
  deliveryBackoffMsMax: 3_600_000,
  /**
   * Milliseconds between two attempts of one delivery at most, and from the first to the last: 15 minutes, within which
   * all that waited comes to a receiver that is back; and 3 days.
   */
  deliveryDelayMsMax: 900_000,
  deliveryElapsedMsMax: 259_200_000,
  /** Times a waiting fact is given out: more than restarts during an outage, fewer than a fact that kills the server needs. */
  intakeAttemptsMax: 100,
  /** Bytes of waiting messages that are fetched at one time: some ten thousand facts, and little of a server's memory. */
  intakeReceiveBytesMax: 4_194_304,
  /** Bytes of waiting messages that are read at one time: parsed they may hold twenty times as much memory (255 KB of `{}`: 5.3 MB). */
  intakeReadBytesMax: 1_048_576,
  /** Facts of one key that came together and wait in one message. */
  intakeMessageFactsMax: 100,
  /** Milliseconds a waiting fact is leased for; extended while the inventory takes none. */
  intakeLeaseMs: 60_000,
  /** Batches of waiting facts being recorded at one time: one is fetched while another is written. */
  intakeBatchesInFlight: 2,
  /** Milliseconds before the inventory is asked again after it took no facts: the first time, and at most. */
  intakeHoldMsFirst: 50,
  intakeHoldMsMax: 5000,
  /** Milliseconds between two looks at a watched folder, and how long a file must have been as it is to be whole. */
  intakeLookMs: 1000,
  intakeSettleMs: 5000,
  /** Milliseconds that batches under way get at a stop. */
  intakeStopMs: 1000,
  /** Webhooks of one server: each follows the log by itself and is a label of metrics. */
  webhooksMax: 500,
  /** Messages that wait for one webhook, dead letters among them; what is more stays in the log: about 10 MB. */
  webhookQueueMax: 10_000,
  /** Messages put into a webhook's queue in one go. */
  webhookBatchMax: 100,
  /** Deliveries of one webhook at one time: half of the connections that one host gets. */
  webhookConcurrency: 8,
  /** Milliseconds for which a delivery is leased: what a call may take, and as long again. */
  webhookLeaseMs: 60_000,
  /** Milliseconds before a full queue is asked again whether it has room. */
  webhookRoomMs: 250,
  /** Milliseconds before a webhook whose queue could not be made is set to work again. */
  webhookAgainMs: 1000,
  /** Attempts of one webhook that are listed, the newest. */
  webhookDeliveriesKept: 200,
  /** Milliseconds without a success after which a webhook whose deliveries fail is disabled: 5 days. */
  webhookFailingMsMax: 432_000_000,
  /** Milliseconds for which the former secret signs too after it was replaced: 1 day. */
  webhookSecretOverlapMs: 86_400_000,
  /** Milliseconds between records in the log of how far a webhook has come: what is sent again when the exact place is lost. */
  webhookAdvanceMs: 3_600_000,
  /** Milliseconds for which a webhook's queue knows ids: twice that, so that what is sent again has no effect. */
  webhookDeduplicationMs: 7_200_000,
  /** Milliseconds between writes of what is known of deliveries. */
  webhookJournalMs: 250,
  /** Milliseconds after which the process that sends leaves word, for the one that may go on, how far webhooks have come. */
  webhookWordMs: 5000,
  /** The same for the process that pushes changes to locations: what was told since is told again. */
  syncWordMs: 5000,
  /** Milliseconds that a test of a webhook may take, while someone waits for it. */
  webhookTestMs: 10_000,
  /** Milliseconds that deliveries under way get at a stop, before they are cut and come again. */
  webhookStopMs: 1000,
  /** Milliseconds that one call to a sink (NATS, Redis) may take, connecting included. */
  sinkCallMs: 5000,
  /** Milliseconds between looks whether everything outgoing was paused or let go on by another process. */
  outgoingLookMs: 1000,
  /** Milliseconds after which a quiet sink is looked at: how late it shows that it was emptied. */
  sinkCheckMs: 10_000,
  /** Milliseconds, at most, before the second attempt at a sink, doubled for each one after it up to the second figure. */
  sinkAgainMs: 250,
  sinkAgainMsMax: 15_000,
  /** Milliseconds without success after which someone has to look at a sink. */
  sinkDownMsMax: 60_000,
  /** Milliseconds that a stop waits for a sink that does not answer. */
  sinkStopMs: 2000,
  /** Milliseconds of a shared log that are carried again after a sink was filled: more than any read side is behind. */
  sinkFillMarginMs: 60_000,
  /** Events that are brought into a sink's form and sent before others get their turn: about 3 ms. */
  sinkEventsInTurn: 100,
  /** Stocks read in one step while a sink is filled: about a millisecond. */
  sinkFillStocks: 200,
  /** Stocks written by one script, while which Redis does nothing else: about a millisecond. */
  redisStocksPerCall: 200,
  /** Messages, and bytes of them, that are sent to NATS before their answers are awaited. */
  natsInFlightMax: 500,
  natsInFlightBytesMax: 1_048_576,
  /** Locations and groups that one receiver of changes may list. */
  syncPatternsMax: 1000,
  /** Records of one push: 10 keep a push short and its retry cheap; the most fits a body of 1 MiB with long names. */
  syncBatchDefault: 10,
  syncBatchMax: 1000,
  /** Locations that get changes pushed: each has a queue for its dead letters and a few lines in a scrape of the metrics. */
  syncReceiversMax: 1000,
  /** Changed stocks that wait in memory, shared out evenly to the receivers: 120 bytes each, and its name. What is beyond is found by sweeps. */
  syncWaitingMax: 500_000,
  /** The least that one receiver gets of these. */
  syncReceiverWaitingMin: 500,
  /** Stocks looked at in one step of a sweep: about a millisecond. */
  syncSweepStep: 2000,
  /** Pushes at once, over all receivers, and to one of them. */
  syncPushesMax: 50,
  syncReceiverPushesMax: 8,
  /** Pushes at once to receivers whose last one failed: the other half is for those that answer. */
  syncFailingPushesMax: 25,
  /** Milliseconds between the beginnings of two pushes to one receiver while less than a batch waits: lets changes gather. */
  syncGatherMs: 100,
  /** Milliseconds of one push: twice what a change may take at most. */
  syncPushMs: 10_000,
  /** Failures in a row after which a receiver counts as down. */
  syncFailuresMax: 5,
  /** Milliseconds between probes of a receiver that is down: the first wait, doubled up to the longest. */
  syncProbeMsMin: 1000,
  syncProbeMsMax: 10_000,
  /** Records of a probe. */
  syncProbeRecordsMax: 10,
  /** Milliseconds before a push whose figures could not be read, or were behind, is made again. */
  syncReadAgainMs: 250,
  /** Milliseconds after which a receiver whose turn comes later is looked at all the same: timers know weeks at most. */
  syncWakeMsMax: 60_000,
  /** Milliseconds that pushes under way get to finish at a stop. */
  syncStopMs: 3000,
  /** Milliseconds between looks at the alarms. */
  syncAlarmsMs: 2000,
  /** Milliseconds that a receiver which is too busy and names no time is left alone. */
  syncBusyMs: 1000,
  /** Milliseconds that a change may take before the alarm `slow` rings. */
  syncSlowMs: 5000,
  /** Share of pushes that may fail before the alarm `failing` rings, and pushes of five minutes that it takes to tell. */
  syncErrorRateMax: 0.01,
  syncAlarmPushesMin: 10,
  /** Records of one snapshot of another side, each about 100 bytes in memory while it is compared, and its pages. */
  snapshotRecordsMax: 500_000,
  snapshotPagesMax: 100_000,
  /** Bytes of one page: some tens of thousands of records, parsed in less than 100 ms. */
  snapshotPageBytesMax: 4_194_304,
  snapshotCursorLengthMax: 4096,
  /** Attempts to get a page, and milliseconds before the second one; each later one waits that much longer. */
  snapshotAttemptsMax: 4,
  snapshotRetryMs: 1000,
  /** Milliseconds in which what is under way between two sides arrives when all goes well: what a push may take at worst. */
  reconciliationSettleMs: 5000,
  /** Locations that are compared with at once: most of the time of each is waiting. */
  reconciliationLocationsAtOnce: 4,
  /** Stocks that are looked at before others get their turn: about two milliseconds. */
  reconciliationStep: 500,
  /** Milliseconds of a pause at most, however long others took meanwhile. */
  reconciliationPauseMsMax: 50,
  /** Findings of one location that are kept and shown; all are corrected. */
  reconciliationFindingsKept: 1000,
  /** Reconciliations that are listed: the newest. Their streams have the others. */
  reconciliationsKeptMax: 1000,
  /** Reconciliations that wait for their turn. */
  reconciliationsWaitingMax: 20,
  /** Results of one location over time that are kept: a month of one every two hours. */
  accuracyPointsMax: 360,
  /** Milliseconds between two reconciliations that come by themselves: from more than one takes, to a day. */
  reconcileEveryMsMin: 60_000,
  reconcileEveryMsMax: 86_400_000,
  /** Milliseconds between looks whether it is time for the next one, and before one that broke off is tried again. */
  reconciliationLookMs: 10_000,
  /** Events of one row group of a cold file: what a read of one of them decodes, in a few milliseconds. */
  archiveGroupEventsMax: 1000,
  /** Events of one cold file: about 100 MB, which is made in memory. */
  archiveFileEventsMax: 1_000_000,
  /** Bytes of decoded row groups, and of the descriptions of cold files, that are kept in memory. */
  archiveGroupsBytesMax: 33_554_432,
  archiveFootersBytesMax: 8_388_608,
  /** Rows removed from the hot log in one step after they were moved: a few milliseconds of its writer. */
  archiveRemoveRowsMax: 1000,
  /**
   * Milliseconds of a call to another process, after which its caller gives up; of waiting for one that takes calls; and
   * between looks at what the name of one stands for.
   */
  peerCallMs: 10_000,
  peerWaitMs: 2000,
  peerLookupMs: 5000,
  /** Milliseconds between pings of another process, and before one that is not answered means that it is gone. */
  peerPingMs: 2000,
  /** Milliseconds before a lost process is tried again: the first time, and at most. */
  peerAgainMsFirst: 100,
  peerAgainMsMax: 1000,
  /** Bytes of one message between processes, and so of an answer: a page of 1,000 reservations of 80 lines has about 12 MB. */
  peerMessageBytesMax: 67_108_864,
  /** Bytes after which calls that go to one process at the same time, or answers, are sent as another message. */
  peerMessageBytesGoal: 262_144,
  /** Milliseconds that calls of other processes under way get to finish at a stop. */
  peerDrainMs: 5000,
  /** Reservations of which it is remembered where they were made: about 100 bytes each. */
  reservationRoutesMax: 100_000,
  /** Milliseconds between signs of life on a quiet connection of gRPC, and before a missing answer ends it. */
  grpcPingMs: 20_000,
  grpcPingAnswerMs: 10_000,
  /**
   * Streams of one connection of gRPC: the requests and feeds of one credential, or all feeds of a gateway and the stream by which it
   * calls a module.
   */
  grpcStreamsMax: 1100,
  /** Calls of one conversation that are being decided; its next message is read when there are fewer. */
  grpcConversationInFlightMax: 500,
  grpcConversationCallsMax: 100,
  /**
   * Characters of events, as JSON, that one message of a change feed holds, unless one event has more. So it has at most some 1 MiB,
   * for nothing takes more in protobuf than six bytes a character (a digit in a list); clients take 4 MiB.
   */
  grpcFeedCharsGoal: 170_000,
  /** Rejected facts of one stream that are listed; all are counted. */
  grpcRejectedListedMax: 1000,
  /**
   * Bytes of what a problem lists in the trailers of a call, and of its detail: clients of other libraries take 8 KiB of
   * trailers, in which the list is in base64, and the detail is three times, once with three characters for a byte.
   */
  grpcTrailerListBytesMax: 3000,
  grpcTrailerDetailBytesMax: 400,
  /** Number of partitions that streams hash to. */
  partitions: 64,
} as const;
