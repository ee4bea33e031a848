import type { DescService } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { limits } from "../../kernel/index.ts";
import { definitionOf } from "./definition.ts";
import { Health as HealthDescription } from "./generated/grpc/health/v1/health_pb.js";
import { Health } from "./health.ts";

/** PEM texts. With `ca`, who connects must show a certificate that it has signed. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

export interface GrpcServerOptions {
  readonly services: readonly {
    readonly description: DescService;
    readonly implementation: UntypedServiceImplementation;
  }[];
  readonly tls?: TlsFiles;
  /** Bytes of a message that comes in. */
  readonly messageBytesMax: number;
}

/** A server of gRPC with the health service, limits and pings that each of ours has. */
export class GrpcServer {
  readonly #server: Server;
  readonly #health: Health;
  readonly #credentials: ServerCredentials;

  constructor({ services, tls, messageBytesMax }: GrpcServerOptions) {
    this.#server = new Server({
      "grpc.max_receive_message_length": messageBytesMax,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": limits.grpcPingMs,
      "grpc.keepalive_timeout_ms": limits.grpcPingAnswerMs,
      "grpc.max_concurrent_streams": limits.grpcStreamsMax,
    });
    this.#health = new Health(services.map(({ description }) => description.typeName));
    this.#credentials = credentialsOf(tls);
    for (const { description, implementation } of services)
      this.#server.addService(definitionOf(description), implementation);
    this.#server.addService(definitionOf(HealthDescription), this.#health.implementation());
  }

  /** Begins to listen and gives the address, as `127.0.0.1:9090`. Port 0 takes a free one. */
  async listen(host: string, port: number): Promise<string> {
    const name = host.includes(":") ? `[${host}]` : host;
    const bound = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(`${name}:${port}`, this.#credentials, (error, taken) =>
        error === null ? resolve(taken) : reject(listenError(error, port)),
      ),
    );
    return `${name}:${bound}`;
  }

  /** Says to whoever asks or watches that it takes no new calls; those that come are answered all the same. */
  leave(): void {
    this.#health.setServing(false);
  }

  /** Takes no more calls, lets those under way finish for up to `ms`, then cuts them. */
  async close(ms: number): Promise<void> {
    this.leave();
    this.#health.end();
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => this.#server.forceShutdown(), ms);
      this.#server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }
}

function credentialsOf(tls: TlsFiles | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = [{ cert_chain: tls.cert, private_key: tls.key }];
  return ServerCredentials.createSsl(tls.ca ?? null, pair, tls.ca !== undefined);
}

/** grpc-js tells in words what the system said by a code. */
function listenError(error: Error, port: number): Error {
  const [code, syscall] = [/EADDRINUSE|EACCES|EADDRNOTAVAIL/.exec(error.message)?.[0], "listen"];
  return code === undefined ? error : Object.assign(error, { code, syscall, port });
}
