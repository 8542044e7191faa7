// Runs in the page: every browser client, behind one function that the cases call from outside.

import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Failure, connectClient } from "../node/client.mjs";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "./gen/grpc/health/v1/health_pb.js";
import { googleClient } from "./google.mjs";

const NAMING = {
  statusName: (status) => ServingStatus[status],
  toFailure: (error) => {
    const { code, rawMessage } = ConnectError.from(error);
    return new Failure(code, rawMessage);
  },
};

const LIBRARIES = {
  connect: (baseUrl, options) => fromTransport(createConnectTransport({ baseUrl, ...options })),
  "grpc-web": (baseUrl, options) => fromTransport(createGrpcWebTransport({ baseUrl, ...options })),
  google: googleClient,
};

function fromTransport(transport) {
  return connectClient(createClient(Health, transport), NAMING);
}

const clients = new Map();
const watches = [];

function clientOf({ library, url, options }) {
  const key = JSON.stringify([library, url, options]);
  if (!clients.has(key)) clients.set(key, LIBRARIES[library](url, options));
  return clients.get(key);
}

const OPERATIONS = {
  check: (spec, service, options) => clientOf(spec).check(service, options),
  list: (spec, options) => clientOf(spec).list(options),
  watch: (spec, service, options) => watches.push(clientOf(spec).watch(service, options)) - 1,
  next: (_, watch) => watches[watch].next(),
  cancel: (_, watch) => watches[watch].cancel(),
};

// Errors lose their class on the way out of the page, so they are values.
window.health = async (operation, spec, ...args) => {
  try {
    return { value: await OPERATIONS[operation](spec, ...args) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { failure: { code: error.code, text: error.text } };
  }
};
