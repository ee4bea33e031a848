export { faultOf, sqlStateOf } from "./faults.ts";
export { Listener, type ListenOptions } from "./listen.ts";
export { migrate } from "./migrate.ts";
export { Postgres, type PostgresOptions, type Querying, type Row, type Session, type Statement } from "./postgres.ts";
export { reading } from "./reading.ts";
