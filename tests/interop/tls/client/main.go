// Command client checks and then watches a service by grpc-go, over TLS or in plaintext, and prints a line for each
// answer: "check STATUS", "watch STATUS", or the code and message of a failure in the status's place. It ends with its
// standard input, or at a failure.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// rpcTime is enough for a busy machine; no case that passes waits for it.
const rpcTime = 10 * time.Second

func main() {
	address := flag.String("address", "", "`HOST:PORT` to call")
	service := flag.String("service", "", "`NAME` to ask about")
	ca := flag.String("ca", "", "PEM `FILE` of the authority to trust; plaintext without one")
	certificate := flag.String("cert", "", "PEM `FILE` of the client's certificate")
	key := flag.String("key", "", "PEM `FILE` of its key")
	flag.Parse()

	transport, err := transportCredentials(*ca, *certificate, *key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := run(ctx, *address, *service, transport); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func transportCredentials(ca, certificate, key string) (credentials.TransportCredentials, error) {
	if ca == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(ca + " has no certificate")
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, err
		}
		// Presented whichever authorities the server names, as a client that is set up wrongly does.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return credentials.NewTLS(config), nil
}

func run(ctx context.Context, address, service string, transport credentials.TransportCredentials) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer conn.Close()
	health := healthpb.NewHealthClient(conn)
	request := &healthpb.HealthCheckRequest{Service: service}

	checkCtx, cancel := context.WithTimeout(ctx, rpcTime)
	defer cancel()
	if !say("check")(health.Check(checkCtx, request)) {
		return nil
	}
	stream, err := health.Watch(ctx, request)
	if err != nil {
		return err
	}
	for say("watch")(stream.Recv()) {
	}
	return nil
}

// say prints an answer, and says whether it was one.
func say(what string) func(*healthpb.HealthCheckResponse, error) bool {
	return func(reply *healthpb.HealthCheckResponse, err error) bool {
		if err != nil {
			message := strings.Join(strings.Fields(status.Convert(err).Message()), " ")
			fmt.Println(what, status.Code(err), message)
			return false
		}
		fmt.Println(what, reply.Status)
		return true
	}
}
