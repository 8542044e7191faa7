// Every transport of @connectrpc/connect-node, as clients for the shared cases.

import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus } from "./gen/grpc/health/v1/health_pb.js";
import { Failure, connectClient } from "../node/client.mjs";

const CONNECT_TIMEOUT = { header: "connect-timeout-ms", unit: "" };
const GRPC_TIMEOUT = { header: "grpc-timeout", unit: "m" };

const PROTOCOLS = [
  { protocol: "connect", create: createConnectTransport, httpVersion: "1.1", timeout: CONNECT_TIMEOUT },
  { protocol: "connect", create: createConnectTransport, httpVersion: "2", timeout: CONNECT_TIMEOUT },
  { protocol: "grpc", create: createGrpcTransport, httpVersion: "2", timeout: GRPC_TIMEOUT },
  { protocol: "grpc-web", create: createGrpcWebTransport, httpVersion: "1.1", timeout: GRPC_TIMEOUT },
  { protocol: "grpc-web", create: createGrpcWebTransport, httpVersion: "2", timeout: GRPC_TIMEOUT },
];

/** Protocol, HTTP version and codec, with a label for the cases' names. */
export const TRANSPORTS = PROTOCOLS.flatMap((protocol) =>
  [true, false].map((useBinaryFormat) => ({
    ...protocol,
    useBinaryFormat,
    label: `${protocol.protocol} h${protocol.httpVersion[0]} ${useBinaryFormat ? "proto" : "json"}`,
  })),
);

export const NAMING = {
  statusName: (status) => HealthCheckResponse_ServingStatus[status],
  toFailure: (error) => {
    const { code, rawMessage } = ConnectError.from(error);
    return new Failure(code, rawMessage);
  },
};

/** The library's transport; `options` are its own. */
export function transportTo(url, { create, httpVersion, useBinaryFormat }, options = {}) {
  return create({ baseUrl: url, httpVersion, useBinaryFormat, ...options });
}

/** A client for the shared cases. */
export function clientTo(url, transport, options) {
  return connectClient(createClient(Health, transportTo(url, transport, options)), NAMING);
}
