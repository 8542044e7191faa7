package main

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health" // switches grpc-go's client-side health checking on
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Enough for round_robin to reach every backend that it has.
const callsInARow = 10

const healthCheckedConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"healthCheckConfig": {"serviceName": "` + service + `"}
}`

var healthCheckCases = []testCase{
	{"health checking: traffic to SERVING backends only, and back", trafficFollows},
	{"health checking: an unregistered backend gets traffic once it registers", trafficWaits},
	{"health checking: a backend that drains loses its traffic", trafficLeaves},
	{"health checking: no SERVING backend is Unavailable", trafficNowhere},
}

func trafficFollows(t *running) {
	b := startBackends(t)
	b.expectTraffic("both SERVING", b.one.address, b.two.address)
	b.one.set(service, "NOT_SERVING")
	b.expectTraffic("the first NOT_SERVING", b.two.address)
	b.one.set(service, "SERVING")
	b.expectTraffic("the first SERVING again", b.one.address, b.two.address)
	b.two.set(service, "UNKNOWN")
	b.expectTraffic("the second UNKNOWN", b.one.address)
}

func trafficWaits(t *running) {
	b := startBackends(t)
	b.two.remove(service)
	b.expectTraffic("the second not registered", b.one.address)
	b.two.set(service, "SERVING")
	b.expectTraffic("both registered", b.one.address, b.two.address)
}

func trafficLeaves(t *running) {
	b := startBackends(t)
	b.expectTraffic("both SERVING", b.one.address, b.two.address)
	b.one.shutdown()
	b.expectTraffic("the first shut down", b.two.address)
	b.one.close()
	b.expectTraffic("the first closed", b.two.address)
}

func trafficNowhere(t *running) {
	b := startBackends(t)
	b.one.set(service, "NOT_SERVING")
	b.two.set(service, "NOT_SERVING")
	b.expectTraffic("both NOT_SERVING", "Unavailable")
	b.two.set(service, "SERVING")
	b.expectTraffic("the second SERVING", b.two.address)
}

// backends are two subjects behind one channel that checks their health.
type backends struct {
	t        *running
	one, two *subject
	channel  *client
}

func startBackends(t *running) *backends {
	one, two := startSubject(t, "--greeter"), startSubject(t, "--greeter")
	for _, s := range []*subject{one, two} {
		s.reset(map[string]string{"": "SERVING", service: "SERVING"})
	}
	addresses := manual.NewBuilderWithScheme("interop")
	addresses.InitialState(resolver.State{Endpoints: []resolver.Endpoint{
		{Addresses: []resolver.Address{{Addr: one.address}}},
		{Addresses: []resolver.Address{{Addr: two.address}}},
	}})
	channel := connect(t, "interop:///greet.example",
		grpc.WithResolvers(addresses), grpc.WithDefaultServiceConfig(healthCheckedConfig))
	return &backends{t: t, one: one, two: two, channel: channel}
}

// expectTraffic ends the case unless the calls move to exactly these backends and stay there.
func (b *backends) expectTraffic(when string, expected ...string) {
	slices.Sort(expected)
	sorted := strings.Join(expected, " and ")
	eventually(b.t, "traffic with "+when, sorted, b.answers)
	expect(b.t, "traffic afterwards, with "+when, sorted, b.answers())
}

// answers says who answered a row of calls: backends' addresses, or codes of failed calls.
func (b *backends) answers() string {
	var answers []string
	for range callsInARow {
		answers = append(answers, b.greet())
	}
	slices.Sort(answers)
	return strings.Join(slices.Compact(answers), " and ")
}

// greet calls greet.GreetService/Greet. StringValue is its request and its response on the wire: a string in field 1.
func (b *backends) greet() string {
	ctx, cancel := context.WithTimeout(b.t.ctx, rpcTime)
	defer cancel()
	reply := &wrapperspb.StringValue{}
	if err := b.channel.conn.Invoke(ctx, "/"+service+"/Greet", wrapperspb.String("interop"), reply); err != nil {
		return status.Code(err).String()
	}
	return reply.Value
}
