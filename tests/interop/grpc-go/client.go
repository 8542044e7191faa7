package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	service = "greet.GreetService"
	// quietTime is how long a stream that must stay open is looked at.
	quietTime = 300 * time.Millisecond
	// rpcTime is enough for a busy machine; no case that passes waits for it.
	rpcTime = 10 * time.Second
)

// client calls one subject over a connection of its own.
type client struct {
	t      *running
	conn   *grpc.ClientConn
	health healthpb.HealthClient
}

// connect makes a client that is closed with the case.
func connect(t *running, target string, options ...grpc.DialOption) *client {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(target, options...)
	t.must(err)
	t.after(func() { conn.Close() })
	return &client{t: t, conn: conn, health: healthpb.NewHealthClient(conn)}
}

// pair is a new subject and a client of it.
func pair(t *running, arguments ...string) (*subject, *client) {
	s := startSubject(t, arguments...)
	return s, connect(t, s.address)
}

// check gives the status's name, or the code's name if the call failed.
func (c *client) check(name string, options ...grpc.CallOption) string {
	ctx, cancel := context.WithTimeout(c.t.ctx, rpcTime)
	defer cancel()
	reply, err := c.health.Check(ctx, &healthpb.HealthCheckRequest{Service: name}, options...)
	if err != nil {
		return status.Code(err).String()
	}
	return reply.Status.String()
}

// expectCheck ends the case unless a Check of the name gives this status or code.
func (c *client) expectCheck(expected, name string, options ...grpc.CallOption) {
	expect(c.t, fmt.Sprintf("check of %.40q", name), expected, c.check(name, options...))
}

// watch is one Watch stream, read in the background: its statuses' names, then the name of the code that ended it.
type watch struct {
	t      *running
	items  chan string
	cancel context.CancelFunc
}

func (c *client) watch(name string, options ...grpc.CallOption) *watch {
	return c.watchFor(c.t.ctx, name, options...)
}

func (c *client) watchFor(ctx context.Context, name string, options ...grpc.CallOption) *watch {
	ctx, cancel := context.WithCancel(ctx)
	c.t.after(cancel)
	stream, err := c.health.Watch(ctx, &healthpb.HealthCheckRequest{Service: name}, options...)
	c.t.must(err)
	w := &watch{t: c.t, items: make(chan string, 64), cancel: cancel}
	go func() {
		for {
			reply, err := stream.Recv()
			if err != nil {
				w.items <- codeOf(err)
				return
			}
			w.items <- reply.Status.String()
		}
	}()
	return w
}

func codeOf(err error) string {
	if err == io.EOF {
		return "OK"
	}
	return status.Code(err).String()
}

// take gives the next status, or the code that ended the stream.
func (w *watch) take() string {
	select {
	case got := <-w.items:
		return got
	case <-time.After(rpcTime):
		return fmt.Sprintf("nothing within %v", rpcTime)
	}
}

// expectNext ends the case unless these come, in this order: statuses, and the code of the end where it is due.
func (w *watch) expectNext(expected ...string) {
	for _, item := range expected {
		expect(w.t, "next of the Watch", item, w.take())
	}
}

// expectQuiet ends the case unless nothing more comes for now and the stream stays open.
func (w *watch) expectQuiet() {
	select {
	case got := <-w.items:
		w.t.fail("expected an open and quiet Watch, got %s", got)
	case <-time.After(quietTime):
	}
}
