/**
 * The sink port: somewhere else that recorded changes are carried to, for others to read them there. `sink.contract.ts`
 * says it again as tests, which every engine passes.
 *
 * A sink is never the record. It may be emptied, lose the newest that it had acknowledged, or be taken over by another
 * process: so it keeps, together with what it holds, the position in the log up to which it holds it, and every write
 * states the position that it goes on from. A write on top of anything else changes nothing and throws `SinkMoved`; then
 * the sink is opened anew and filled from where it really stands.
 */

/** A stock as others read it: availability, as the API gives it. */
export interface SinkStock {
  readonly location: string;
  readonly sku: string;
  readonly available: number;
  readonly onHand: number;
  readonly unavailable: number;
  readonly reserved: number;
  readonly committed: number;
  readonly safetyStock: number;
  readonly incoming: number;
  /** RFC 3339. */
  readonly updatedAt: string;
  /** Grows with every change of this sku at this location. */
  readonly version: number;
}

/** A recorded event on its way to a sink. */
export interface SinkEvent {
  /** The same for ever. */
  readonly id: string;
  /** As `larder.stock.sold.v1`. */
  readonly type: string;
  /** The position after it. */
  readonly position: string;
  /** The sku it is about, and the location; absent where it is about none, or about several. */
  readonly sku?: string;
  readonly location?: string;
  /** From 0 up to `limits.partitions`: the same for all events of a sku. */
  readonly partition: number;
  /** The CloudEvent, as JSON. */
  readonly body: string;
  /** What it left of the stock that it changed. */
  readonly stock?: SinkStock;
}

export interface Sink {
  /** In metrics, logs and `/readyz`. */
  readonly name: string;
  /**
   * Connects. Rejects when the other side can't be reached in `limits.sinkCallMs`, or can't be used; the message is for the
   * operator, without secrets.
   */
  open(): Promise<SinkSession>;
}

/** A connection. After a call that threw it is only good to be closed. */
export interface SinkSession {
  /**
   * How far the sink came: everything up to this position is in it. Undefined when it holds nothing, or is half filled. It may
   * be a position of another log, or of a history that a restore has left: the caller judges that.
   */
  readonly position: string | undefined;
  /** What it needs when it holds nothing of this log; how it is filled then. */
  readonly filling: SinkFilling;
  /**
   * Adds events in order, all of the log after the position before, and moves to `position`. When it resolves, the sink has
   * acknowledged them; when it throws, those up to some event may be in it, and never one without all before it. Without
   * events it only looks whether the sink still holds what it did.
   *
   * Throws `SinkMoved`.
   */
  write(events: readonly SinkEvent[], position: string): Promise<void>;
  close(): Promise<void>;
}

export type SinkFilling =
  /** From events: those recorded in the last `keepMs`; all of the log when that is undefined. */
  | { readonly from: "events"; readonly keepMs: number | undefined }
  /** From the stocks as they are, which stand at `position` at least. Forgets all that it held before. */
  | { readonly from: "stocks"; fill(stocks: AsyncIterable<readonly SinkStock[]>, position: string): Promise<void> };

/** The sink does not stand where this session left it: it lost something, or another process has written. */
export class SinkMoved extends Error {}
