import { create } from "@bufbuild/protobuf";
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./generated/grpc/health/v1/health_pb.js";

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/** `grpc.health.v1.Health`: what load balancers and orchestrators ask. All services of a server stand and fall together. */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<Watcher>();
  #isServing = true;

  /** The names of the services there are, as `larder.v1.FactService`. */
  constructor(services: Iterable<string>) {
    this.#services = new Set(["", ...services]);
  }

  /** Tells all that watch, too. */
  setServing(isServing: boolean): void {
    this.#isServing = isServing;
    for (const watcher of this.#watchers) watcher.write(this.#answer(watcher.request.service));
  }

  /** Ends what watches. */
  end(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  implementation(): UntypedServiceImplementation {
    return {
      Check: (
        { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
        answer: sendUnaryData<HealthCheckResponse>,
      ) => {
        if (this.#services.has(request.service)) answer(null, this.#answer(request.service));
        else answer({ code: status.NOT_FOUND, details: "There is no such service." });
      },
      Watch: (watcher: Watcher) => {
        this.#watchers.add(watcher);
        const forget = () => this.#watchers.delete(watcher);
        watcher.on("cancelled", forget);
        watcher.on("close", forget);
        watcher.write(this.#answer(watcher.request.service));
      },
    };
  }

  #answer(service: string): HealthCheckResponse {
    const known = this.#isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    return create(HealthCheckResponseSchema, {
      status: this.#services.has(service) ? known : ServingStatus.SERVICE_UNKNOWN,
    });
  }
}
