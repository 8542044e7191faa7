// Google's grpc-web, brought into the shape of ../node/client.mjs. Its generator emits nothing but these descriptors
// around message classes, so they are written out here around the messages of @bufbuild/protobuf.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import { Failure, Watch } from "../node/client.mjs";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "./gen/grpc/health/v1/health_pb.js";

function descriptor({ name, input, output, methodKind }) {
  const type = methodKind === "unary" ? MethodType.UNARY : MethodType.SERVER_STREAMING;
  const path = `/${Health.typeName}/${name}`;
  const serialize = (message) => toBinary(input, message);
  return new MethodDescriptor(path, type, Object, Object, serialize, (bytes) => fromBinary(output, bytes));
}

const CHECK = descriptor(Health.method.check);
const LIST = descriptor(Health.method.list);
const WATCH = descriptor(Health.method.watch);

const request = (service) => create(Health.method.check.input, { service });
const toFailure = ({ code, message }) => new Failure(code, message);

/** `options` are the library's: `{ format: "text" }` or `{ format: "binary" }`. */
export function googleClient(url, options) {
  const base = new GrpcWebClientBase(options);
  const call = (method, message, headers = {}) =>
    base.unaryCall(`${url}${method.getName()}`, message, headers, method).catch((error) => {
      throw toFailure(error);
    });
  return {
    async check(service, { headers } = {}) {
      return ServingStatus[(await call(CHECK, request(service), headers)).status];
    },
    async list({ headers } = {}) {
      const { statuses } = await call(LIST, create(Health.method.list.input), headers);
      return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, ServingStatus[status]]));
    },
    watch(service, { headers = {} } = {}) {
      const stream = base.serverStreaming(`${url}${WATCH.getName()}`, request(service), headers, WATCH);
      return new Watch(pullFrom(stream), () => stream.cancel());
    },
  };
}

/** Turns the stream's events into a function that resolves with the next status or rejects at the end. */
function pullFrom(stream) {
  const arrived = [];
  let deliver = () => {};
  const push = (item) => {
    arrived.push(item);
    deliver();
  };
  stream.on("data", ({ status }) => push(() => ServingStatus[status]));
  for (const [event, failure] of [
    ["error", toFailure],
    ["end", () => new Failure(0, "")],
  ]) {
    stream.on(event, (detail) =>
      push(() => {
        throw failure(detail);
      }),
    );
  }
  return async () => {
    while (arrived.length === 0) await new Promise((resolve) => (deliver = resolve));
    return arrived.shift()();
  };
}
