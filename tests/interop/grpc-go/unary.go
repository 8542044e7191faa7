package main

import (
	"fmt"
	"maps"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const listLimit = 100

var unaryCases = []testCase{
	{"check answers each status", checkEachStatus},
	{"check follows set, shutdown, resume and remove", checkFollowsChanges},
	{"check of an unknown name is NotFound with a message", checkUnknown},
	{"list answers every service", listAll},
	{"list, gzip both ways", listGzip},
	{"list over 100 services is ResourceExhausted", listOverLimit},
}

var everyStatus = map[string]string{"": "SERVING", service: "SERVING", "idle": "UNKNOWN", "down": "NOT_SERVING"}

func checkEachStatus(t *running) {
	s, c := pair(t)
	c.expectCheck("SERVING", "")
	s.reset(everyStatus)
	for name, expected := range everyStatus {
		c.expectCheck(expected, name)
	}
}

func checkFollowsChanges(t *running) {
	s, c := pair(t)
	s.set(service, "NOT_SERVING")
	c.expectCheck("NOT_SERVING", service)
	s.set(service, "SERVING")
	c.expectCheck("SERVING", service)
	s.shutdown()
	c.expectCheck("NOT_SERVING", service)
	c.expectCheck("NOT_SERVING", "")
	s.resume()
	c.expectCheck("SERVING", service)
	s.remove(service)
	c.expectCheck("NotFound", service)
}

func checkUnknown(t *running) {
	_, c := pair(t)
	_, err := c.health.Check(t.ctx, &healthpb.HealthCheckRequest{Service: "nobody"})
	expect(t, "code", codes.NotFound, status.Code(err))
	expect(t, "message", "unknown service", status.Convert(err).Message())
}

func listAll(t *running) {
	s, c := pair(t)
	s.reset(everyStatus)
	c.expectList(everyStatus)
}

func listGzip(t *running) {
	s, c := pair(t)
	services := manyServices(listLimit)
	s.reset(services)
	c.expectList(services, grpc.UseCompressor(gzip.Name))
}

func listOverLimit(t *running) {
	s, c := pair(t)
	s.reset(manyServices(listLimit + 1))
	_, err := c.health.List(t.ctx, &healthpb.HealthListRequest{})
	expect(t, "code", codes.ResourceExhausted, status.Code(err))
}

func manyServices(count int) map[string]string {
	services := make(map[string]string, count)
	for i := range count {
		services[fmt.Sprintf("acme.inventory.v%d.InventoryService", i)] = "SERVING"
	}
	return services
}

func (c *client) expectList(expected map[string]string, options ...grpc.CallOption) {
	reply, err := c.health.List(c.t.ctx, &healthpb.HealthListRequest{}, options...)
	c.t.must(err)
	got := make(map[string]string, len(reply.Statuses))
	for name, answer := range reply.Statuses {
		got[name] = answer.Status.String()
	}
	if !maps.Equal(expected, got) {
		c.t.fail("list: expected %v, got %v", expected, got)
	}
}
