// grpc.health.v1 for the first generation of @bufbuild/protobuf, which Dubbo's client is written for.

import { MethodKind, ScalarType, proto3 } from "@bufbuild/protobuf";

const PACKAGE = "grpc.health.v1";
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

export const ServingStatus = proto3.makeEnum(
  `${PACKAGE}.HealthCheckResponse.ServingStatus`,
  STATUSES.map((name, no) => ({ no, name })),
);

const CheckRequest = proto3.makeMessageType(`${PACKAGE}.HealthCheckRequest`, () => [
  { no: 1, name: "service", kind: "scalar", T: ScalarType.STRING },
]);
const CheckResponse = proto3.makeMessageType(`${PACKAGE}.HealthCheckResponse`, () => [
  { no: 1, name: "status", kind: "enum", T: proto3.getEnumType(ServingStatus) },
]);
const ListRequest = proto3.makeMessageType(`${PACKAGE}.HealthListRequest`, () => []);
const ListResponse = proto3.makeMessageType(`${PACKAGE}.HealthListResponse`, () => [
  { no: 1, name: "statuses", kind: "map", K: ScalarType.STRING, V: { kind: "message", T: CheckResponse } },
]);

export const Health = {
  typeName: `${PACKAGE}.Health`,
  methods: {
    check: { name: "Check", I: CheckRequest, O: CheckResponse, kind: MethodKind.Unary },
    list: { name: "List", I: ListRequest, O: ListResponse, kind: MethodKind.Unary },
    watch: { name: "Watch", I: CheckRequest, O: CheckResponse, kind: MethodKind.ServerStreaming },
  },
};
