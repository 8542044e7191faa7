// Every transport of @apachedubbo/dubbo-node, as clients for the shared cases.

import { DubboError, createPromiseClient } from "@apachedubbo/dubbo";
import { createDubboTransport, createGrpcTransport, createGrpcWebTransport } from "@apachedubbo/dubbo-node";
import { Failure, connectClient } from "../node/client.mjs";
import { Health, ServingStatus } from "./health.mjs";

const PROTOCOLS = [
  { protocol: "triple", create: createDubboTransport, httpVersion: "1.1" },
  { protocol: "triple", create: createDubboTransport, httpVersion: "2" },
  { protocol: "grpc", create: createGrpcTransport, httpVersion: "2" },
  { protocol: "grpc-web", create: createGrpcWebTransport, httpVersion: "1.1" },
  { protocol: "grpc-web", create: createGrpcWebTransport, httpVersion: "2" },
];

/** Protocol, HTTP version and codec, with a label for the cases' names. */
export const TRANSPORTS = PROTOCOLS.flatMap((protocol) =>
  [true, false].map((useBinaryFormat) => ({
    ...protocol,
    useBinaryFormat,
    label: `${protocol.protocol} h${protocol.httpVersion[0]} ${useBinaryFormat ? "proto" : "json"}`,
  })),
);

const NAMING = {
  statusName: (status) => ServingStatus[status],
  toFailure: (error) => {
    const { code, rawMessage } = DubboError.from(error);
    return new Failure(code, rawMessage);
  },
};

/** A client for the shared cases; `service` holds Dubbo's serviceGroup and serviceVersion. */
export function clientTo(url, { create, httpVersion, useBinaryFormat }, { service, ...options } = {}) {
  const transport = create({ baseUrl: url, httpVersion, useBinaryFormat, ...options });
  return connectClient(createPromiseClient(Health, transport, service), NAMING);
}
