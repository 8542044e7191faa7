package main

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
)

// pingFrame is a whole HTTP/2 PING: a header of 9 bytes, whose fourth is the type 6, and 8 bytes of payload.
const (
	pingFrame     = 17
	pingFrameType = 6
)

// tap counts the connections that a client opens, and the pings that it sends on them while nothing else is sent.
type tap struct {
	lock   sync.Mutex
	opened int
	pings  int
}

// connectTapped makes a client whose connections are counted.
func connectTapped(t *running, target string, options ...grpc.DialOption) (*client, *tap) {
	tapped := &tap{}
	return connect(t, target, append(options, grpc.WithContextDialer(tapped.dial))...), tapped
}

func (t *tap) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.opened++
	return &tappedConn{Conn: conn, tap: t}, nil
}

func (t *tap) connections() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.opened
}

func (t *tap) pingsSent() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.pings
}

type tappedConn struct {
	net.Conn
	tap *tap
}

// Write sees a ping by itself: grpc-go flushes it at once.
func (c *tappedConn) Write(data []byte) (int, error) {
	if len(data) == pingFrame && data[3] == pingFrameType {
		c.tap.lock.Lock()
		c.tap.pings++
		c.tap.lock.Unlock()
	}
	return c.Conn.Write(data)
}
