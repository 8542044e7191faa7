package main

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var transportCases = []testCase{
	{"watch with a deadline ends DeadlineExceeded in time", watchDeadline},
	{"checks with tiny deadlines harm no later check", tinyDeadlines},
	{"gzip request", gzipRequest},
	{"a name over the limit is ResourceExhausted, again and again", bigNames},
	{"unknown methods and services are Unimplemented", unknownMethods},
	{"keepalive pings without a call, every 10 s, are answered and not punished", keepaliveWithoutCalls},
}

func watchDeadline(t *running) {
	_, c := pair(t)
	c.expectCheck("SERVING", "")
	ctx, cancel := context.WithTimeout(t.ctx, 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	c.watchFor(ctx, service).expectNext("SERVICE_UNKNOWN", "DeadlineExceeded")
	if took := time.Since(start); took < 400*time.Millisecond || took > 3*time.Second {
		t.fail("expected an end after 500 ms, got one after %v", took)
	}
}

func tinyDeadlines(t *running) {
	s := startSubject(t)
	c, tapped := connectTapped(t, s.address)
	c.expectCheck("SERVING", "")
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.ctx, time.Duration(i)*time.Microsecond)
		err := c.conn.Invoke(ctx, "/grpc.health.v1.Health/Check", &wrapperspb.StringValue{}, &wrapperspb.StringValue{})
		cancel()
		if code := status.Code(err); code != codes.OK && code != codes.DeadlineExceeded {
			t.fail("deadline of %d µs: expected OK or DeadlineExceeded, got %v", i, err)
		}
	}
	c.expectCheck("SERVING", "")
	expect(t, "number of connections", 1, tapped.connections())
}

func gzipRequest(t *running) {
	s, c := pair(t)
	s.set(service, "NOT_SERVING")
	compressed := grpc.UseCompressor(gzip.Name)
	c.expectCheck("NOT_SERVING", service, compressed)
	c.expectCheck("SERVING", "", compressed)
	c.watch(service, compressed).expectNext("NOT_SERVING")
	// 1 MiB that is 1 KiB on the wire: over the limit only once it is unpacked.
	c.expectCheck("ResourceExhausted", strings.Repeat("a", 1<<20), compressed)
	c.expectCheck("SERVING", "", compressed)
}

func bigNames(t *running) {
	_, c := pair(t)
	for range 3 {
		for _, size := range []int{17 << 10, 3 << 20} {
			c.expectCheck("ResourceExhausted", strings.Repeat("a", size))
			c.watch(strings.Repeat("a", size)).expectNext("ResourceExhausted")
		}
	}
	c.expectCheck("SERVING", "")
}

func unknownMethods(t *running) {
	_, c := pair(t)
	for _, path := range []string{"/grpc.health.v1.Health/Reset", "/grpc.health.v1.Health/check", "/greet.GreetService/Greet"} {
		err := c.conn.Invoke(t.ctx, path, &wrapperspb.StringValue{}, &wrapperspb.StringValue{})
		expect(t, path, codes.Unimplemented, status.Code(err))
	}
}

func keepaliveWithoutCalls(t *running) {
	s := startSubject(t)
	c, tapped := connectTapped(t, s.address, grpc.WithKeepaliveParams(keepalive.ClientParameters{
		// grpc-go sends no more than one ping every 10 s.
		Time:                10 * time.Second,
		Timeout:             2 * time.Second,
		PermitWithoutStream: true,
	}))
	c.expectCheck("SERVING", "")
	// Servers that punish pings (grpc-go's default) do so at the third; one that is not answered closes the connection.
	time.Sleep(33 * time.Second)
	c.expectCheck("SERVING", "")
	expect(t, "number of connections", 1, tapped.connections())
	if pings := tapped.pingsSent(); pings < 3 {
		t.fail("expected at least 3 pings, got %d", pings)
	}
}
