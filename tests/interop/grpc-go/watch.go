package main

const watchesOnOneConnection = 300

var watchCases = []testCase{
	{"watch yields the status at once and follows sets", watchFollows},
	{"watch of an unknown name stays open until it registers", watchUnknown},
	{"watch of a removed service yields SERVICE_UNKNOWN and goes on", watchRemoved},
	{"watch repeats no status", watchRepeatsNothing},
	{"300 watches on one connection let a Check through, and are cancelled at once", watchMany},
}

func watchFollows(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	w, overall := c.watch(service), c.watch("")
	w.expectNext("SERVING")
	overall.expectNext("SERVING")
	for _, status := range []string{"NOT_SERVING", "UNKNOWN", "SERVING"} {
		s.set(service, status)
		w.expectNext(status)
	}
	overall.expectQuiet()
}

func watchUnknown(t *running) {
	s, c := pair(t)
	w := c.watch(service)
	w.expectNext("SERVICE_UNKNOWN")
	w.expectQuiet()
	s.set(service, "NOT_SERVING")
	w.expectNext("NOT_SERVING")
}

func watchRemoved(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	w := c.watch(service)
	w.expectNext("SERVING")
	s.remove(service)
	w.expectNext("SERVICE_UNKNOWN")
	w.expectQuiet()
	s.set(service, "SERVING")
	w.expectNext("SERVING")
}

func watchRepeatsNothing(t *running) {
	s, c := pair(t)
	s.set(service, "SERVING")
	w := c.watch(service)
	w.expectNext("SERVING")
	s.set(service, "SERVING")
	s.set("another.Service", "NOT_SERVING")
	w.expectQuiet()
}

func watchMany(t *running) {
	s := startSubject(t)
	c, tapped := connectTapped(t, s.address)
	s.set(service, "SERVING")
	watches := make([]*watch, watchesOnOneConnection)
	for i := range watches {
		watches[i] = c.watch(service)
	}
	for _, w := range watches {
		w.expectNext("SERVING")
	}
	c.expectCheck("SERVING", service)
	s.set(service, "NOT_SERVING")
	for _, w := range watches {
		w.expectNext("NOT_SERVING")
	}
	for _, w := range watches {
		w.cancel()
	}
	c.expectCheck("NOT_SERVING", service)
	expect(t, "number of connections", 1, tapped.connections())
}
