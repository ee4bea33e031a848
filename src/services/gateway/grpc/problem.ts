import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { catalogue, type Rejection } from "../../../kernel/index.ts";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import { type Problem, ProblemSchema } from "./generated/larder/v1/problem_pb.js";

interface Short {
  readonly sku: string;
  readonly location?: string;
  readonly requested: number;
  readonly available: number;
}

/** A rejection as clients of gRPC get it. */
export function problemOf({ code, detail, extra = {} }: Rejection): Problem {
  const { lines = [], errors = [] } = extra as {
    readonly lines?: readonly Short[];
    readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  };
  return create(ProblemSchema, {
    code,
    detail,
    isRetryable: catalogue[code].retryable,
    shortLines: lines.map(({ requested, available, ...line }) => ({
      ...line,
      requested: BigInt(requested),
      available: BigInt(available),
    })),
    findings: errors.map((finding) => ({ pointer: finding.pointer, detail: finding.detail })),
  });
}

/** The number of gRPC's status that stands for a code of ours. */
export function statusOf({ code }: Rejection): status {
  return status[catalogue[code].grpc as keyof typeof status];
}

/**
 * The status that ends a call: `larder-code` in the trailers is the code, `grpc-status-details-bin` holds the whole
 * `Problem`, in the error model that libraries of gRPC read (google.rpc.Status).
 */
export function serviceError(rejection: Rejection): Pick<ServiceError, "code" | "details" | "metadata"> {
  const { detail } = rejection;
  const code = statusOf(rejection);
  const problem = anyPack(ProblemSchema, problemOf(rejection));
  const details = toBinary(StatusSchema, create(StatusSchema, { code, message: detail, details: [problem] }));
  const metadata = new Metadata();
  metadata.set("larder-code", rejection.code);
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  return { code, details: detail, metadata };
}
