/** Milliseconds since some fixed moment, which never run backwards: what waits is waited for by these, however clocks are set. */
export type Moment = number;
