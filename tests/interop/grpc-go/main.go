// Command grpc-go drives the subject with grpc-go and prints one line a case.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// caseTime bounds one case. The longest waits for three pings, which grpc-go sends no faster than every 10 s.
const caseTime = 90 * time.Second

type testCase struct {
	name string
	run  func(t *running)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	var cases []testCase
	for _, some := range [][]testCase{unaryCases, watchCases, drainCases, transportCases, healthCheckCases} {
		cases = append(cases, some...)
	}
	if !runAll(ctx, cases) {
		os.Exit(1)
	}
}

// runAll runs the cases at the same time, each with subjects of its own, and prints their lines in order.
func runAll(ctx context.Context, cases []testCase) bool {
	results := make([]chan string, len(cases))
	for i, c := range cases {
		results[i] = make(chan string, 1)
		go func() { results[i] <- runOne(ctx, c) }()
	}
	passed := true
	for i, c := range cases {
		if failure := <-results[i]; failure != "" {
			passed = false
			fmt.Printf("FAIL grpc-go: %s: %s\n", c.name, strings.Join(strings.Fields(failure), " "))
			continue
		}
		fmt.Printf("ok grpc-go: %s\n", c.name)
	}
	return passed
}

// runOne gives what failed in the case, or nothing.
func runOne(ctx context.Context, c testCase) (what string) {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	t := &running{ctx: ctx}
	defer func() {
		switch stopped := recover().(type) {
		case nil:
		case failure:
			what = string(stopped)
		default:
			panic(stopped)
		}
	}()
	defer t.cleanUp()
	c.run(t)
	return ""
}

// running is a case that runs: its time, and what it must end afterwards.
type running struct {
	ctx      context.Context
	cleanups []func()
}

// failure ends the case that panics with it; only running.fail does.
type failure string

// fail ends the case, from the goroutine that runs it.
func (t *running) fail(format string, arguments ...any) {
	panic(failure(fmt.Sprintf(format, arguments...)))
}

// must ends the case if there is an error.
func (t *running) must(err error) {
	if err != nil {
		t.fail("%v", err)
	}
}

// after runs when the case has ended, last one first.
func (t *running) after(cleanup func()) { t.cleanups = append(t.cleanups, cleanup) }

func (t *running) cleanUp() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// expect ends the case unless both are equal.
func expect[V comparable](t *running, what string, expected, got V) {
	if expected != got {
		t.fail("%s: expected %v, got %v", what, expected, got)
	}
}

// eventually asks again and again until the answer is the expected one.
func eventually[V comparable](t *running, what string, expected V, question func() V) {
	const seconds = 10
	got := question()
	for end := time.Now().Add(seconds * time.Second); got != expected; got = question() {
		if time.Now().After(end) || t.ctx.Err() != nil {
			t.fail("%s: expected %v within %d s, got %v", what, expected, seconds, got)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
