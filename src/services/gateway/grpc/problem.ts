import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { catalogue, limits, type Rejection } from "../../../kernel/index.ts";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import { FindingSchema, type Problem, ProblemSchema, ShortLineSchema } from "./generated/larder/v1/problem_pb.js";

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
 * The status that ends a call: `larder-code` in the trailers is the code, `grpc-status-details-bin` holds the `Problem`,
 * in the error model that libraries of gRPC read (google.rpc.Status). Of a long list it has as much as trailers may hold.
 */
export function serviceError(rejection: Rejection): Pick<ServiceError, "code" | "details" | "metadata"> {
  const code = statusOf(rejection);
  const problem = shortened(problemOf(rejection));
  const { detail } = problem;
  const packed = anyPack(ProblemSchema, problem);
  const details = toBinary(StatusSchema, create(StatusSchema, { code, message: detail, details: [packed] }));
  const metadata = new Metadata();
  metadata.set("larder-code", rejection.code);
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  return { code, details: detail, metadata };
}

/** A problem that fits into trailers; its detail says what is left out of its lists. */
function shortened(problem: Problem): Problem {
  const shortLines = fitting(ShortLineSchema, problem.shortLines);
  const findings = fitting(FindingSchema, problem.findings);
  const all = problem.shortLines.length + problem.findings.length;
  const listed = shortLines.length + findings.length;
  const cut = cutTo(limits.grpcTrailerDetailBytesMax, problem.detail);
  const detail = listed === all ? cut : `${cut} The first ${listed} of ${all} are listed.`;
  return create(ProblemSchema, { ...problem, shortLines, findings, detail });
}

function cutTo(bytesMax: number, text: string): string {
  const bytes = Buffer.from(text);
  // What is left of a character that was cut in two is taken for U+FFFD.
  return bytes.length <= bytesMax ? text : `${bytes.toString("utf8", 0, bytesMax).replace(/\uFFFD$/, "")}…`;
}

/** As many of a list, from its beginning, as trailers may hold. */
function fitting<Desc extends DescMessage>(schema: Desc, items: readonly MessageShape<Desc>[]): MessageShape<Desc>[] {
  let bytes = 0;
  const end = items.findIndex((item) => {
    bytes += toBinary(schema, item).length;
    return bytes > limits.grpcTrailerListBytesMax;
  });
  return items.slice(0, end < 0 ? items.length : end);
}
