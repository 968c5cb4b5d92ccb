package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is a client's connection that sees what net/http hides: the chunks in
// which an answer comes, which are the flushes of who sends it. It also takes
// less of the machine that it shares with its subject.
type conn struct {
	net.Conn
	r       *bufio.Reader
	request []byte
	buf     []byte

	status  int
	chunked bool
	left    int // of an answer of known length
}

// answerTimeout is how long any one read may take.
const answerTimeout = time.Minute

func dial(s *subject, path string, body []byte) (*conn, error) {
	c, err := net.DialTimeout("tcp", s.addr, 10*time.Second) //nolint:noctx // it has its timeout
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.name, err)
	}
	request := fmt.Appendf(nil, "POST /v1%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, s.addr, s.key(), len(body), body)
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 32<<10), request: request}, nil
}

// ask sends the request and reads the header of its answer, which has to be a
// good one.
func (c *conn) ask() error {
	_ = c.SetDeadline(time.Now().Add(answerTimeout)) // a closed connection says so below
	if _, err := c.Write(c.request); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if err := c.readHeader(); err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	if c.status != 200 {
		rest, _ := c.whole() // the status says enough
		return fmt.Errorf("status %d: %s", c.status, rest)
	}
	return nil
}

func (c *conn) readHeader() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("no status line: %q", line)
	}
	if c.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return err
	}
	c.chunked, c.left = false, -1
	for {
		if line, err = c.line(); err != nil || len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			c.left, err = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			c.chunked = string(value) == "chunked"
		}
		if err != nil {
			return err
		}
	}
	if err == nil && !c.chunked && c.left < 0 {
		err = errors.New("the answer has neither a length nor chunks")
	}
	return err
}

func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// chunk reads the next one; at the end it is nil. It is good until the next
// call.
func (c *conn) chunk() ([]byte, error) {
	if !c.chunked {
		return nil, errors.New("the answer is no stream")
	}
	line, err := c.line()
	if err != nil {
		return nil, fmt.Errorf("reading a chunk: %w", err)
	}
	size, err := strconv.ParseInt(string(line), 16, 32)
	if err != nil {
		return nil, fmt.Errorf("reading a chunk: %w", err)
	}
	if err := c.fill(int(size)); err != nil {
		return nil, fmt.Errorf("reading a chunk: %w", err)
	}
	if line, err = c.line(); err != nil || len(line) != 0 {
		return nil, fmt.Errorf("reading a chunk: %q after it: %w", line, err)
	}
	if size == 0 {
		return nil, nil
	}
	return c.buf, nil
}

func (c *conn) fill(size int) error {
	if cap(c.buf) < size {
		c.buf = make([]byte, size)
	}
	c.buf = c.buf[:size]
	_, err := io.ReadFull(c.r, c.buf)
	return err
}

// whole reads the rest of the answer. It is good until the next call.
func (c *conn) whole() ([]byte, error) {
	if !c.chunked {
		err := c.fill(c.left)
		return c.buf, err
	}
	var all []byte
	for {
		chunk, err := c.chunk()
		if err != nil || chunk == nil {
			return all, err
		}
		all = append(all, chunk...)
	}
}
