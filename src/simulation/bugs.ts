import type { Part } from "./history.ts";

/**
 * Bugs to plant, so that it is known that the simulator would see them. Each is a change of one text in one file, made
 * while the module is loaded (plant.ts): the product has no switch for it. `find` must stand in its file exactly once;
 * keep it short and about the rule that it breaks, so that other work on the file leaves it alone.
 */
export interface Bug {
  readonly name: string;
  /** Below `src/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** What goes wrong, and which promise that breaks. */
  readonly why: string;
  /** What only some histories have, where it shows only in these: then all are run with it. */
  readonly part?: Part;
  /** Whether it shows where several processes decide on one log: then they do. */
  readonly isShared?: true;
  /** The test that catches it, where the simulator does not come to it. */
  readonly caughtBy?: string;
}

const inventory = "services/inventory";
const stock = `${inventory}/domain/stock`;
const cold = "platform/storage/cold";
const reconciliation = "services/sync/domain/reconciliation";

export const bugs: readonly Bug[] = [
  // Appending and answering
  {
    name: "version-check-dropped",
    file: "platform/storage/admission.ts",
    find: "if (known(stream) !== version || shaky.has(stream)) return { stream };",
    replace: "",
    why: "Two decisions on one state are both appended: the one guard against overselling is gone.",
    caughtBy: "src/platform/storage/memory/memory.test.ts",
  },
  {
    name: "claim-check-dropped",
    file: "platform/storage/admission.ts",
    find: "for (const { key } of unit.claims ?? []) {",
    replace: "for (const key of [] as string[]) {",
    why: "The store takes a name twice: one fact may have two effects (I4).",
    caughtBy: "src/platform/storage/memory/memory.test.ts",
  },
  {
    name: "sync-dropped",
    file: "platform/storage/sqlite/sqlite-storage.ts",
    find: "await this.#sync.sync();\n      } catch (cause)",
    replace: "} catch (cause)",
    why: "The disk is not synced before an append is answered (I3).",
    caughtBy: "src/platform/storage/sqlite/faults.test.ts",
  },
  {
    name: "acknowledged-before-sync",
    file: `${inventory}/ledger/ledger.ts`,
    find: "outcomes = await this.#storage.append(units);",
    replace:
      "this.#storage.append(units).catch(() => undefined); outcomes = units.map(() => ({ ok: true, seq: before + 1 }));",
    why: "Clients are answered while the append is under way (I3).",
  },
  {
    name: "failed-append-acknowledged",
    file: `${inventory}/ledger/ledger.ts`,
    find: "if (error instanceof PlatformError) return refuse(unsure, error);",
    replace: "if (error instanceof PlatformError) { for (const draft of unsure) resolve(draft, before); return; }",
    why: "An append that failed is answered as if it had been made (I3).",
  },
  {
    name: "states-kept-after-failure",
    file: `${inventory}/ledger/ledger.ts`,
    find: "for (const name of round.changed) this.#cache.drop(name);\n    const unsure",
    replace: "const unsure",
    why: "After a failed append the cache goes on as if it had been made, ahead of the log.",
  },
  {
    name: "refusal-on-sand",
    file: `${inventory}/ledger/ledger.ts`,
    find: "if (isAlone && (!hasWritten || (draft.unit === undefined && !isAny(draft.touched, round.changed))))",
    replace: "if (draft.unit === undefined)",
    why: "Who was decided on top of an append that then failed is answered all the same: refusals, duplicates, reads.",
  },
  {
    name: "clock-believed",
    file: `${inventory}/ledger/ledger.ts`,
    find: "Math.max(this.#lastNow, this.#options.clock(), this.#storage.lastRecordedAt())",
    replace: "this.#options.clock()",
    why: "A clock that goes back takes decisions back in time: holds lapse and come to life again.",
  },
  {
    name: "claim-outside-the-append",
    file: `${inventory}/facts/record.ts`,
    find: "transaction.claim({ key: fact.key, print: fact.print });",
    replace: "",
    why: "That a fact was recorded is not in the unit that records it: told again, it counts again (I4).",
  },
  {
    name: "reused-id-taken-for-a-duplicate",
    file: `${inventory}/facts/record.ts`,
    find: "if (known.print === print) return",
    replace: "if (known.print !== undefined) return",
    why: "Another fact under a known id is acknowledged, and lost.",
  },
  // Quantities
  {
    name: "float-quantities",
    file: `${inventory}/wire.ts`,
    find: "export const Quantity = Type.Integer(",
    replace: "export const Quantity = Type.Number(",
    why: "Half a unit is taken in, and sums are no longer exact.",
  },
  {
    name: "duplicate-order-line-skipped",
    file: `${inventory}/facts/parse.ts`,
    find: "(summed.get(key)?.quantity ?? 0) + line.quantity",
    replace: "line.quantity",
    why: "Of two lines of an order for the same, one is lost.",
  },
  {
    name: "duplicate-cart-line-skipped",
    file: `${inventory}/reservations/requests.ts`,
    find: "{ ...known, quantity: known.quantity + quantity }",
    replace: "known",
    why: "Of two lines of a cart for the same, one is not held.",
  },
  {
    name: "count-overwrites-later-sales",
    file: `${stock}/facts.ts`,
    find: "return isLate || precedesLotCount;",
    replace: "return precedesLotCount;",
    why: "A count that arrives late takes back what was sold since.",
  },
  {
    name: "late-sale-counted-twice",
    file: `${stock}/facts.ts`,
    find: "if (count !== null && at <= count.asOf && units !== 0)",
    replace: "if (count === undefined)",
    why: "A movement from before a count, told after it, changes what the count has seen already.",
  },
  {
    name: "early-fact-believed",
    file: `${inventory}/facts/record.ts`,
    find: "time > receipt + limits.clockAheadMsMax ?",
    replace: "time > receipt + 1e12 ?",
    why: "A till whose clock is hours ahead outdoes every count until then.",
  },
  {
    name: "safety-stock-promised",
    file: `${stock}/stock.ts`,
    find: "stock.committed - stock.safetyStock",
    replace: "stock.committed",
    why: "What is to be withheld is promised (I1).",
  },
  {
    name: "backorder-limit-doubled",
    file: `${stock}/supply.ts`,
    find: "+ stock.backorderLimit +",
    replace: "+ 2 * stock.backorderLimit +",
    why: "More is promised beyond what is available than the policy allows (I1).",
  },
  {
    name: "held-back-units-for-sale",
    file: `${stock}/stock.ts`,
    find: "return Math.max(0, lot.quantity - lot.heldBack);",
    replace: "return Math.max(0, lot.quantity);",
    why: "Units of a lot that are held back are promised by date, and expire twice.",
  },
  {
    name: "put-back-makes-units",
    file: `${stock}/stock.ts`,
    find: "return Math.min(sellable(lot), Math.max(0, lot.quantity));",
    replace: "return sellable(lot);",
    why: "A put-back that names a lot which its hold-back did not name makes units of that lot.",
  },
  {
    name: "put-back-makes-old-units-good",
    file: `${stock}/supply.ts`,
    find: "return available(totals) + Math.min(0, elsewhere);",
    replace: "return available(totals) + Math.min(0, totals.unavailable);",
    why: "A put-back that names no lot makes units promised that are past their date.",
  },
  // Holds and their ends
  {
    name: "expiry-by-the-sweeper-only",
    file: `${stock}/supply.ts`,
    find: "const totals = totalsAt(stock, now);",
    replace: "const totals = stock;",
    why: "Units of a hold that has lapsed are free only once something has recorded it.",
  },
  {
    name: "confirmed-after-expiry",
    file: `${inventory}/domain/reservation/reservation.ts`,
    find: "state.expiresAt <= now ?",
    replace: "state.expiresAt + 3000 <= now ?",
    why: "For three seconds an expired hold can be confirmed, though others may have its units.",
  },
  {
    name: "expired-early",
    file: `${inventory}/domain/reservation/reservation.ts`,
    find: "state.expiresAt <= now ?",
    replace: "state.expiresAt - 1000 <= now ?",
    why: "A hold ends a second before it was promised to.",
  },
  {
    name: "extension-shortens",
    file: `${inventory}/domain/reservation/decide.ts`,
    find: "expiresAt <= state.expiresAt) return accept(nothing);",
    replace: "expiresAt < 0) return accept(nothing);",
    why: "Extending by less than what is left takes the rest away.",
  },
  {
    name: "reacquired-unseen",
    file: `${inventory}/reservations/commands.ts`,
    find: "return planned.short.length > 0\n",
    replace: "return planned.short.length > 99\n",
    why: "An expired reservation takes its units again though others have them (I1).",
  },
  {
    name: "release-keeps-its-units",
    file: `${inventory}/domain/reservation/decide.ts`,
    find: '[{ type: "ReservationReleased", data: {} }], stocks }',
    replace: '[{ type: "ReservationReleased", data: {} }], stocks: [] }',
    why: "What was released stays held for ever.",
  },
  {
    name: "fulfilment-forgets-its-key",
    file: `${inventory}/domain/reservation/decide.ts`,
    find: "const data = { parts, ...(key !== undefined && { key }),",
    replace: "const data = { parts,",
    why: "A part that is handed over again under the same key is handed over twice (I4).",
  },
  {
    name: "holds-forgotten-at-restart",
    file: `${inventory}/inventory.ts`,
    find: "this.#expiry.watchReservations(this.#openReservations.newestFirst());",
    replace: "",
    why: "After a restart nobody records that the holds from before have expired.",
  },
  {
    name: "expiry-forgotten-when-the-clock-goes-back",
    file: `${inventory}/expiry/expiry.ts`,
    find: 'if (late === "early") return;',
    replace: "",
    why: "An expiry that was looked at too early is never recorded.",
    // The simulator found it, in one history of a hundred: too seldom for a minute.
    caughtBy: "src/services/inventory/expiry/expiry.test.ts",
  },
  // Thresholds
  {
    name: "low-not-told",
    file: `${stock}/level.ts`,
    find: 'fine: { low: "StockRanLow", ',
    replace: "fine: { ",
    why: "Stock runs low, and nobody is told.",
  },
  {
    name: "new-stock-called-back",
    file: `${stock}/level.ts`,
    find: 'stock.wasAvailable ? "out" : "new"',
    replace: '"out"',
    why: "What arrives for the first time is announced as back in stock.",
  },
  {
    name: "crossing-told-for-each-part",
    file: `${inventory}/ledger/step.ts`,
    find: "if (this.#expect(stream, entry)) {",
    replace: "{ this.#expect(stream, entry);",
    why: "A decision that changes a stock in two steps tells of the same threshold twice.",
  },
  {
    name: "out-by-a-lapsed-hold",
    file: `${inventory}/ledger/step.ts`,
    find: "for (const draft of lapses(stock, this.now)) this.#recordStock(stream, entry, draft);",
    replace: "",
    why: "Stock is announced as out while the units of a lapsed hold are free.",
  },
  {
    name: "near-date-told-again",
    file: `${stock}/stock.ts`,
    find: "({ ...lot, nearTold: true })",
    replace: "lot",
    why: "That a lot nears its date is told whenever somebody looks.",
  },
  {
    name: "near-date-by-utc",
    file: `${inventory}/expiry/nearing.ts`,
    find: "transaction.location(location).fields?.timeZone",
    replace: "undefined",
    why: "A date is near from midnight in Greenwich, wherever the lot lies.",
    caughtBy: "src/services/inventory/expiry/nearing.test.ts",
  },
  {
    name: "new-lots-not-looked-at",
    file: `${stock}/nearing.ts`,
    find: "quantity > 0 || heldBack < 0 || expiresOn !== undefined",
    replace: "quantity > 1e6",
    why: "A lot that comes in after its policy was set is not announced.",
    caughtBy: "src/services/inventory/expiry/nearing.test.ts",
  },
  {
    name: "near-dates-forgotten-at-restart",
    file: `${inventory}/expiry/expiry.ts`,
    find: "else this.#nearing.load(document);",
    replace: "",
    why: "After a restart nobody looks for lots that near their date.",
    caughtBy: "src/services/inventory/expiry/nearing.test.ts",
  },
  // Transfers, voids, catalogue
  {
    name: "arrival-leaves-incoming",
    file: `${inventory}/domain/transfer/transfer.ts`,
    find: "return arrivals > 0 ? new Map() : destinations;",
    replace: "return destinations;",
    why: "What has arrived is still under way (I6).",
  },
  {
    name: "last-date-twice",
    file: `${inventory}/domain/stock/supply.ts`,
    find: "const dates = [...new Set([...open.flatMap(([, lot]) => lot.expiresOn ?? []), undated])].sort();",
    replace: "const dates = [...open.flatMap(([, lot]) => lot.expiresOn ?? []), undated].sort();",
    why: "What serves a date is counted twice beside a lot that never expires (I1).",
    caughtBy: "src/services/inventory/domain/stock/supply.property.test.ts",
  },
  {
    name: "short-batches-pass-long-ones",
    file: `${inventory}/ledger/queue.ts`,
    find: "return count > limits.flushBulkMax || (count > 1 && this.#bulkOf.has(actor));",
    replace: "return count > limits.flushBulkMax;",
    why: "The end of an import is recorded before its middle, so that of two counts of one time the earlier row wins.",
    caughtBy: "src/services/inventory/ledger/ledger.test.ts",
  },
  {
    name: "thread-forgets-the-time-of-facts",
    file: `${inventory}/facts/read-items.ts`,
    find: "return JSON.stringify(items.map((item) => parseFact(item)));",
    replace:
      'return JSON.stringify(items.map((item) => parseFact(item)), (name, value) => (name === "time" ? undefined : value));',
    why: "Facts of large batches count as of their receipt.",
    caughtBy: "src/services/inventory/facts/read-items.property.test.ts",
  },
  {
    name: "voided-order-stays-taken",
    file: `${inventory}/facts/record.ts`,
    find: "if (transaction.claimed(voidKeyOf(told)) === undefined) return undefined;",
    replace: "if (told !== undefined) return undefined;",
    why: "An order that was voided and told again is lost (I7).",
    caughtBy: "src/services/inventory/seldom.test.ts",
  },
  {
    name: "void-leaves-the-transfer",
    file: `${inventory}/facts/voids.ts`,
    find: "undoTransfers(transaction, target);\n}",
    replace: "}",
    why: "A voided dispatch is still under way (I6).",
  },
  {
    name: "early-void-forgotten",
    file: `${inventory}/facts/record.ts`,
    find: 'if (data.kind !== "void") voidIfAwaited(transaction, fact);',
    replace: "",
    why: "A void that came before its fact has no effect.",
  },
  {
    name: "barcode-of-two-items",
    file: `${inventory}/catalog/catalog.ts`,
    find: "if (taken !== undefined) {",
    replace: "if (taken === sku) {",
    why: "Two items have one GTIN: what is told by it goes to either.",
  },
  {
    name: "policy-not-applied",
    file: `${inventory}/catalog/catalog.ts`,
    find: "for (const place of together) applyPolicy(",
    replace: "if (location !== undefined) for (const place of together) applyPolicy(",
    why: "A general policy does not reach the stocks that are there.",
  },
  // Consumers, feeds, seals
  {
    name: "checkpoint-before-effect",
    file: "platform/consumer/consumer.ts",
    find: "checkpoint: applied,",
    replace: "checkpoint: applied + 1,",
    why: "A consumer says that it has seen what it has not: after a crash that is missing (I5).",
  },
  {
    name: "documents-of-the-next-commit",
    file: "platform/consumer/consumer.ts",
    find: "...consumer.changes() });",
    replace: "...(applied % 3 === 0 ? { put: [], remove: [] } : consumer.changes()) });",
    why: "A checkpoint is committed without what was derived up to it (I5).",
  },
  {
    name: "told-before-it-was",
    file: "services/sync/receivers.ts",
    find: "this.#isTelling ? backlog?.toldUntil(this.#reached) :",
    replace: "this.#isTelling ? backlog && this.#reached :",
    why: "Sync keeps that a receiver has been told when it is only about to be: a crash in between leaves it behind.",
    caughtBy: "src/services/sync/crash.test.ts",
  },
  {
    name: "merged-into-the-past",
    file: "services/sync/domain/backlog.ts",
    find: "if (known !== undefined) {",
    replace: "if (known === undefined && this.#inFlight.has(stock.key)) return;\n    if (known !== undefined) {",
    why: "A change of a stock that is under way counts as merged with a push whose figures were read before it.",
  },
  {
    name: "stale-snapshot-believed",
    file: `${inventory}/ledger/snapshots.ts`,
    find: "fold(family, snapshot.stock, snapshot.version, events.slice(1))",
    replace: "{ version: snapshot.version + events.length - 1, state: snapshot.stock }",
    why: "A snapshot is taken for the present, and what happened since is passed over.",
  },
  {
    name: "feed-out-of-order",
    file: `${inventory}/changes/changes.ts`,
    find: "for (const unit of units) this.#recent.push(unit);",
    replace: "for (const unit of units.toReversed()) this.#recent.push(unit);",
    why: "The change feed shows the events of one stock in another order.",
  },
  {
    name: "feed-with-a-gap",
    file: `${inventory}/changes/changes.ts`,
    find: "if (oldest === undefined || oldest > seen + 1)",
    replace: "if (oldest === undefined)",
    why: "A follower that resumes from far back misses what is no longer at hand.",
  },
  {
    name: "read-side-of-another-version",
    file: `${inventory}/availability/availability.ts`,
    find: "row.version = event.version;",
    replace: "row.version = Math.max(row.version, event.version - 1);",
    why: "The read side shows figures under a version that they are not of.",
  },
  {
    name: "list-not-kept-up",
    file: `${inventory}/reservations/open.ts`,
    find: "entry.units -= sum(event.data.parts);",
    replace: "entry.units = 0;",
    why: "Lists by status lose what is fulfilled in part (I5).",
    caughtBy: "src/services/inventory/reservations/lists.test.ts",
  },
  {
    name: "seal-on-a-phantom",
    file: `${inventory}/seals/seals.ts`,
    find: "if (this.#isUnsure) await this.#catchUp();",
    replace: "",
    why: "The chain goes on from a seal that is not in the log, and verification finds damage where there is none.",
  },
  // Cold files
  {
    name: "cold-file-not-read-back",
    file: `${cold}/write-file.ts`,
    find: 'await readBack(store, manifest, check, content.digest("hex"));',
    replace: "",
    why: "Days are removed from the log although the disk did not keep what was written of them.",
    part: "cold",
  },
  {
    name: "removed-before-the-seam",
    file: `${cold}/cold-archive.ts`,
    find: "await this.#log.putManifest(manifest, text);\n    whole.moved(manifest);",
    replace: "whole.moved(manifest);\n    await this.#removeMoved();\n    await this.#log.putManifest(manifest, text);",
    why: "Between two steps a day is neither in the log nor in a file that the log names.",
    part: "cold",
  },
  {
    name: "unsealed-days-moved",
    file: `${cold}/cold-archive.ts`,
    find: "ofDay >= head || ofDay > upTo",
    replace: "ofDay >= head",
    why: "What no seal covers, and no read model has seen, leaves the log.",
    part: "cold",
  },
  {
    name: "newest-unit-moved",
    file: `${cold}/cold-archive.ts`,
    find: "ofDay >= head || ofDay > upTo",
    replace: "ofDay > upTo + 1",
    why: "The unit that the log goes on from leaves it.",
    part: "cold",
  },
  {
    name: "unknown-move-forgotten",
    file: `${cold}/cold-archive.ts`,
    find: "if (manifest.firstSequence > whole.seam) whole.moved(manifest);",
    replace: "",
    why: "A day whose move was of unknown outcome is moved once more, and the chain of manifests breaks.",
    part: "cold",
  },
  // Reconciliation
  {
    name: "in-flight-taken-for-late",
    file: `${reconciliation}/judge.ts`,
    find: "return !before.pending && (second.theirs",
    replace: "return (second.theirs",
    why: "What is on its way to a warehouse is reported as lost.",
    part: "reconciliation",
  },
  {
    name: "late-not-found",
    file: `${reconciliation}/judge.ts`,
    find: 'return then === undefined || then === theirs.onHand ? "late" : "drift";',
    replace: 'return then === undefined || then === theirs.onHand ? undefined : "drift";',
    why: "An update that a warehouse has acknowledged and lost is never found.",
    part: "reconciliation",
  },
  {
    name: "count-as-of-now",
    file: `${reconciliation}/judge.ts`,
    find: "return asOf <= now ? asOf : undefined;",
    replace: "return now;",
    why: "A correction swallows what was sold between their figure and our count of it.",
    part: "reconciliation",
  },
  {
    name: "drift-always-sent-again",
    file: `${reconciliation}/act.ts`,
    find: 'case "drift":\n      return isTheirOwn ?',
    replace: 'case "drift":\n      return false ?',
    why: "Where the figures of a warehouse win, ours are sent to it instead.",
    part: "reconciliation",
  },
  {
    name: "one-look-is-enough",
    file: "services/sync/reconciliation/compare.ts",
    find: "if (!stands(suspicion, look)) return undefined;",
    replace: "",
    why: "Whatever differs for a moment is a finding.",
    part: "reconciliation",
  },
  {
    name: "in-flight-counted-twice",
    file: "services/sync/reconciliation/compare.ts",
    find: "compared: seen - unread.length - inFlight,",
    replace: "compared: seen - unread.length,",
    why: "Accuracy counts as right what could not be compared.",
    part: "reconciliation",
  },
  // Several processes on one log
  {
    name: "looks-unguarded",
    file: `${inventory}/ledger/step.ts`,
    find: "return this.#round.isShared ? this.#guarded(taking) : taking;",
    replace: "return taking;",
    why: "What a decision has only looked at may have been changed by another process when its unit is appended.",
    isShared: true,
  },
  {
    name: "refusal-of-a-stale-copy",
    file: `${inventory}/ledger/ledger.ts`,
    find: "await this.#storage.shared?.catchUp();\n    } catch",
    replace: "} catch",
    why: "A refusal or a look is the opinion of one process, and old by what others have appended.",
    isShared: true,
  },
  {
    name: "broken-off-change-kept",
    file: `${inventory}/ledger/round.ts`,
    find: "const streams = step.begun;",
    replace: "const streams = [...new Set(step.events.map(({ stream }) => stream))];",
    why: "A decision that breaks off in a change leaves it in the state: balances are recorded with units held twice.",
    caughtBy: "src/services/inventory/ledger/shared.property.test.ts",
  },
  {
    name: "begun-elsewhere-by-our-policy",
    file: `${inventory}/ledger/ledger.ts`,
    find: "entry.version === 0 ? family.empty() : entry.state",
    replace: "entry.state",
    why: "A stock that another process begins keeps the policy that it was looked at by.",
    caughtBy: "src/services/inventory/ledger/shared.property.test.ts",
  },
  // Deliveries and the queue of facts
  {
    name: "place-before-its-events",
    file: "services/relay/dispatcher.ts",
    find: "await sendAll(events, options);",
    replace: "sendAll(events, options).catch(() => undefined);",
    why: "A webhook is said to have come to where its events are not in its queue yet: a stop or a crash in between loses them.",
    part: "webhooks",
  },
  {
    name: "given-up-without-a-word",
    file: "platform/messaging/worker.ts",
    find: 'return (await messaging.deadLetter(delivery, cause, { freesKey: freesKeyWhenGivenUp })) ? "dead" : "lost";',
    replace: 'return (await messaging.acknowledge(delivery)) ? "done" : "lost";',
    why: "What was tried often enough is gone, and no dead letter says so (I7).",
    part: "webhooks",
  },
  {
    name: "dead-letter-lets-others-pass",
    file: "platform/messaging/worker.ts",
    find: "{ freesKey: freesKeyWhenGivenUp }",
    replace: "{ freesKey: true }",
    why: "Behind an event that was given up, those of the same stock go on: their order is lost.",
    part: "webhooks",
  },
  {
    name: "webhook-without-order",
    file: "services/relay/dispatcher.ts",
    find: '    key: isLongerThan(key, limits.identifierLengthMax) ? hash("sha256", key) : key,\n',
    replace: "",
    why: "Events of one stock are delivered side by side.",
    part: "webhooks",
  },
  {
    name: "filter-ignored",
    file: "services/relay/dispatcher.ts",
    find: "    ...(skus && { skus: new Set(skus) }),\n",
    replace: "",
    why: "A webhook gets events of skus that it did not choose.",
    part: "webhooks",
  },
  {
    name: "limits-of-a-webhook-ignored",
    file: "services/relay/dispatcher.ts",
    find: "...(limitedTo && { locations: new Set(limitedTo) })",
    replace: "",
    why: "Someone limited to one place is told of the others.",
    part: "webhooks",
  },
  {
    name: "replay-taken-for-a-repeat",
    file: "services/relay/dispatcher.ts",
    find: "const message = messageOf(event, replays);",
    replace: "const message = messageOf(event, 0 * replays);",
    why: "What is to be sent again is known to the queue, and left out.",
    part: "webhooks",
  },
  {
    name: "replay-from-where-it-is",
    file: "services/relay/domain/webhook.ts",
    find: "replays: before.replays + 1 }",
    replace: "replays: before.replays }",
    why: "A replay changes nothing, for the place from before it still counts.",
    part: "webhooks",
  },
  {
    name: "replay-passes-over",
    file: "services/relay/relay.ts",
    find: "isAhead ? place : after",
    replace: "after",
    why: "A replay from a position that a webhook has not come to yet leaves out what lies between.",
    part: "webhooks",
  },
  {
    name: "former-secret-forgotten",
    file: "services/relay/deliverer.ts",
    find: "const marks = [secret, ...still.map((former) => former.secret)];",
    replace: "const marks = still.length > 9 ? [] : [secret];",
    why: "While a secret is being replaced, receivers that still have the former one refuse everything.",
    part: "webhooks",
  },
  {
    name: "former-secret-ends-at-once",
    file: "services/relay/relay.ts",
    find: "const formerUntil = this.#options.clock() + limits.webhookSecretOverlapMs;",
    replace: "const formerUntil = this.#options.clock();",
    why: "Receivers that have not heard of the new secret yet refuse everything from the moment it is asked for.",
    part: "webhooks",
  },
  {
    name: "gone-and-not-believed",
    file: "services/relay/sending.ts",
    find: "if (isGone) this.#disable(",
    replace: 'if (isGone && id === "") this.#disable(',
    why: "A receiver that wants nothing any more is called for ever.",
    part: "webhooks",
  },
  {
    name: "queued-facts-not-waited-for",
    file: "services/intake/queue/recorder.ts",
    find: "const { rejected } = await untilTaken(() => inventory.recordFacts(facts, caller, receivedAt), hold);",
    replace:
      "untilTaken(() => inventory.recordFacts(facts, caller, receivedAt), hold).catch(() => undefined);\n    const rejected = [];",
    why: "Facts leave the queue before they are recorded: a crash loses them, and nobody hears of those that are rejected (I7).",
    part: "queue",
  },
  {
    name: "rejected-facts-vanish",
    file: "services/intake/queue/recorder.ts",
    find: "messaging.sendDead(delivery.queue, aloneOf(fact, delivery), { cause, attempts, firstAttemptAt }),",
    replace: "Promise.resolve(fact),",
    why: "Of facts that came together, those that are rejected are neither recorded nor dead letters (I7).",
    part: "queue",
  },
  {
    name: "rejected-fact-holds-up-others",
    file: "services/intake/queue/recorder.ts",
    find: 'return { outcome: "dead", cause, freesKey: true };',
    replace: 'return { outcome: "dead", cause };',
    why: "Behind a rejected fact, all that is told of the same stock waits until someone looks.",
    part: "queue",
  },
  {
    name: "receipt-forgotten",
    file: "services/intake/queue/recorder.ts",
    find: "const receivedAt = waiting.map((one) => one.receivedAt);",
    replace: "const receivedAt = undefined;",
    why: "A fact without a time counts as of when it was judged, and not as of its receipt.",
    part: "queue",
  },
  {
    name: "limits-left-behind",
    file: "services/intake/queue/message.ts",
    find: "    ...(isTexts(locations) && { locations: new Set(locations) }),\n",
    replace: "",
    why: "By way of the queue a key speaks for places that it may not.",
    part: "queue",
  },

  // Calls between processes
  {
    name: "deadline-not-kept",
    file: "platform/storage/admission.ts",
    find: "now >= deadline",
    replace: "now >= deadline + 1e6",
    why: "A process that has stood still records what another one has refused meanwhile (I3).",
    caughtBy: `src/${inventory}/ledger/timeframe.test.ts`,
  },
  {
    name: "last-word-beside-others",
    file: `${inventory}/ledger/ledger.ts`,
    find: " || batch.some(isFromLater)",
    replace: "",
    why: "A refusal is final while an append that was in time is still being made (I3).",
    caughtBy: `src/${inventory}/ledger/timeframe.test.ts`,
  },
  {
    name: "refusal-told-too-soon",
    file: "platform/grpc/attempts.ts",
    find: "this.#spec.isFirm?.(answer as never)",
    replace: "this.#spec.isFirm !== undefined",
    why: "A refusal is told while an earlier attempt may still be carried out (I3).",
    caughtBy: "src/platform/grpc/peers.test.ts",
  },
];

/** Which of so many are due on a day: ten, others each day, all of them in turn. */
export function dueOn(day: number, count = 10): readonly Bug[] {
  return Array.from({ length: count }, (_, index) => bugs[(day * count + index) % bugs.length]).flatMap(
    (bug) => bug ?? [],
  );
}

/** The text of a module with a bug in it. Throws when there is no telling where it belongs. */
export function planted({ name, file, find, replace }: Bug, source: string): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(
      `The planted bug "${name}" can't be planted: its text stands ${parts.length - 1} times in src/${file}, not once. Bring src/simulation/bugs.ts up to date.`,
    );
  return parts.join(replace);
}

export function bugNamed(name: string | undefined): Bug {
  const bug = bugs.find((one) => one.name === name);
  if (bug === undefined)
    throw new Error(`There is no planted bug ${name}; there are: ${bugs.map((one) => one.name).join(", ")}`);
  return bug;
}
