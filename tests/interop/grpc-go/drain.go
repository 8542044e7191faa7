package main

var drainCases = []testCase{
	{"shutdown yields NOT_SERVING on streams that stay open", shutdownKeepsStreams},
	{"a set under shutdown shows after resume only", resumeShows},
	{"close ends the streams with Unavailable, and new ones without a message", closeEndsStreams},
}

func shutdownKeepsStreams(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	before, unknown := c.watch(service), c.watch("nobody")
	before.expectNext("SERVING")
	unknown.expectNext("SERVICE_UNKNOWN")
	s.shutdown()
	before.expectNext("NOT_SERVING")
	during := c.watch(service)
	during.expectNext("NOT_SERVING")
	during.expectQuiet()
	before.expectQuiet()
	unknown.expectQuiet()
}

func resumeShows(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	w := c.watch(service)
	w.expectNext("SERVING")
	s.shutdown()
	w.expectNext("NOT_SERVING")
	s.set(service, "UNKNOWN")
	w.expectQuiet()
	s.resume()
	w.expectNext("UNKNOWN")
}

func closeEndsStreams(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	w, unknown := c.watch(service), c.watch("nobody")
	w.expectNext("SERVING")
	unknown.expectNext("SERVICE_UNKNOWN")
	s.shutdown()
	w.expectNext("NOT_SERVING")
	s.close()
	w.expectNext("Unavailable")
	unknown.expectNext("Unavailable")
	c.watch(service).expectNext("Unavailable")
}
