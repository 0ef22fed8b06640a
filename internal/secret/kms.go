//go:build kms

package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Limits of a call to the operator's program.
const (
	kmsTime    = 30 * time.Second // a key service across the world, asked twice
	maxWrapped = 64 << 10         // a wrapped key with certificates around it
	maxAnswer  = 4 << 10          // a key in hex
)

// kms asks a program of the operator to unwrap the master key: the wrapped key
// goes to its standard input, the key comes from its standard output as hex
// digits. So a key service, an HSM or a TPM keeps the wrapping key, and this
// binary needs neither its library nor cgo.
type kms struct {
	path    string
	program string
	args    []string
}

// kmsSource reads PATH:PROGRAM ARG….
func kmsSource(rest string) (Source, error) {
	path, command, found := strings.Cut(rest, ":")
	words := strings.Fields(command)
	if !found || path == "" || len(words) == 0 {
		return nil, errors.New("master key: write kms:PATH:PROGRAM [ARG], the wrapped key and the program that unwraps it")
	}
	return kms{path: path, program: words[0], args: words[1:]}, nil
}

// String names the program.
func (k kms) String() string { return "program " + k.program + " with " + k.path }

// Master runs the program with the argument unwrap behind its own. What it
// says on standard error is not repeated: it may hold the key.
func (k kms) Master(ctx context.Context) (Secret, error) {
	wrapped, err := readSmall(k.path, maxWrapped)
	if err != nil {
		return Secret{}, fmt.Errorf("read wrapped master key: %w", err)
	}
	answer, err := k.run(ctx, "unwrap", wrapped)
	if err != nil {
		return Secret{}, err
	}
	key, err := masterOf(answer)
	if err != nil {
		return Secret{}, fmt.Errorf("unwrap master key: what %s wrote %w", k.program, err)
	}
	return key, nil
}

// create makes a random master key, has the program wrap it, and keeps what it
// answers in a file that does not exist yet.
func (k kms) create(ctx context.Context) (Secret, error) {
	key, text := newMaster()
	wrapped, err := k.run(ctx, "wrap", text)
	if err != nil {
		return Secret{}, err
	}
	if strings.Contains(strings.ToLower(wrapped), strings.TrimSpace(text)) || len(wrapped) == 0 {
		return Secret{}, fmt.Errorf("wrap master key: %s did not wrap it", k.program)
	}
	if err := createFile(k.path, wrapped); err != nil {
		return Secret{}, fmt.Errorf("create wrapped master key: %w", err)
	}
	return key, nil
}

func (k kms) run(ctx context.Context, what, in string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.program, append(append([]string(nil), k.args...), what)...) //nolint:gosec // the operator names the program
	cmd.Stdin = strings.NewReader(in)
	cmd.WaitDelay = time.Second
	out := &bounded{left: max(maxAnswer, maxWrapped)}
	cmd.Stdout, cmd.Stderr = out, io.Discard
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s master key with %s: %w", what, k.program, err)
	}
	return out.String(), nil
}

// bounded keeps what is written to it up to a limit, and fails beyond.
type bounded struct {
	bytes.Buffer
	left int
}

// Write keeps b.
func (w *bounded) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errors.New("the program wrote too much")
	}
	return w.Buffer.Write(b)
}
