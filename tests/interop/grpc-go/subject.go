package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"time"
)

const answerTime = 10 * time.Second

// subject is one server under test, with "" SERVING. It speaks JSON: a command a line on stdin, an answer a line on stdout.
type subject struct {
	address string
	t       *running
	process *exec.Cmd
	stdin   io.WriteCloser
	lines   chan []byte
}

// startSubject starts one with further command-line arguments; it ends with the case.
func startSubject(t *running, arguments ...string) *subject {
	adapter := os.Getenv("ADAPTER")
	if adapter == "" {
		adapter = "hyper"
	}
	arguments = append([]string{"--adapter", adapter, "--listen", "127.0.0.1:0"}, arguments...)
	process := exec.Command(os.Getenv("SUBJECT"), arguments...)
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	t.must(err)
	stdout, err := process.StdoutPipe()
	t.must(err)
	t.must(process.Start())
	s := &subject{t: t, process: process, stdin: stdin, lines: make(chan []byte, 16)}
	go s.read(stdout)
	t.after(s.stop)

	var first struct {
		Listening string `json:"listening"`
	}
	s.answer(&first)
	s.address = first.Listening
	return s
}

// reset registers exactly these services.
func (s *subject) reset(statuses map[string]string) { s.tell(map[string]any{"reset": statuses}) }

func (s *subject) set(service, status string) {
	s.tell(map[string]any{"set": map[string]string{service: status}})
}

func (s *subject) remove(service string) { s.tell(map[string]any{"remove": service}) }

func (s *subject) shutdown() { s.tell(map[string]any{"shutdown": true}) }

func (s *subject) resume() { s.tell(map[string]any{"resume": true}) }

func (s *subject) close() { s.tell(map[string]any{"close": true}) }

// tell sends one command; when it returns, the command has taken effect.
func (s *subject) tell(command any) {
	line, err := json.Marshal(command)
	s.t.must(err)
	_, err = s.stdin.Write(append(line, '\n'))
	s.t.must(err)
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	s.answer(&answer)
	if !answer.OK {
		s.t.fail("the subject answered %s with the error %q", line, answer.Error)
	}
}

func (s *subject) answer(into any) {
	select {
	case line, open := <-s.lines:
		if !open {
			s.t.fail("the subject closed its output")
		}
		s.t.must(json.Unmarshal(line, into))
	case <-time.After(answerTime):
		s.t.fail("the subject printed no line within %v", answerTime)
	}
}

func (s *subject) read(stdout io.Reader) {
	defer close(s.lines)
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		s.lines <- append([]byte(nil), scanner.Bytes()...)
	}
}

// stop ends the subject by the end of its input, as its contract says, and kills one that stays.
func (s *subject) stop() {
	s.stdin.Close()
	killer := time.AfterFunc(answerTime, func() { s.process.Process.Kill() })
	defer killer.Stop()
	for range s.lines {
		// Its output must be read to the end before Wait closes the pipe.
	}
	if err := s.process.Wait(); err != nil {
		s.t.fail("the subject ended badly: %v", err)
	}
}
