export { acceptJson, acceptText, type BodyReader, mayReachPrototype } from "./body.ts";
export { countingStoredForm } from "./identifier-length.ts";
export { InFlight } from "./in-flight.ts";
export { isTooDeep } from "./json.ts";
export { endWithProblem, type Finding, problemType, RequestError, sendProblem } from "./problem.ts";
export { createHttpServer, type HttpServer, type RequestObserver, rejectionOf } from "./server.ts";
export { bodyCheck } from "./validation.ts";
