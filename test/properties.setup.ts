/**
 * Properties are tried with the same cases each time, so that the gate says of a commit today what it said yesterday.
 * `npm run properties` tries others.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env["LARDER_TEST_SEED"] ?? 20_261_126) });
