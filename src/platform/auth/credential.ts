/** What a credential may be allowed to do. `admin` includes all the others. Public: scopes are never renamed. */
export const scopes = ["stock:read", "stock:write", "reservations:write", "sync:admin", "dlq:admin", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** Who speaks, and how far their word reaches. The same object for as long as nothing about it changes. */
export interface Credential {
  /** Recorded as `actor` of what the credential does. */
  readonly id: string;
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Only these locations exist for it; undefined is all. */
  readonly locations?: ReadonlySet<string>;
  /** Sources of facts it may speak for; undefined is all. */
  readonly sources?: ReadonlySet<string>;
  /** Whether it sees only the reservations it made. */
  readonly ownReservations: boolean;
  /** Milliseconds since 1970; undefined is never. */
  readonly expiresAt?: number;
}

/**
 * One way to recognise callers. API keys are the first kind; signed tokens join as another implementation, and a third
 * that asks each in turn.
 */
export interface Authenticator {
  /** Whose token this is; undefined when it is nobody's, or was revoked, or has expired. */
  authenticate(token: string): Credential | undefined;
  /**
   * Finds out about a token that nobody is known by here, as another process may just have made it: to be asked again then. Never
   * rejects. Absent where there is nothing to find out.
   */
  learn?(token: string): Promise<void>;
  /** Whether a credential given out before still stands. Asked by whoever answers for longer than a moment. */
  stands(credential: Credential): boolean;
}

export function allows(credential: Credential, scope: Scope): boolean {
  return credential.scopes.has(scope) || credential.scopes.has("admin");
}
