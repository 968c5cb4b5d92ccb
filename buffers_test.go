package plexus

import (
	"bytes"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestBuffersServeSimilarSizes(t *testing.T) {
	f := func(first, second int, same bool) {
		t.Helper()
		b := new(buffers)
		buf := make([]byte, 0, roomy(first))
		b.put(buf)
		got := b.get(second)
		require.Equal(t, same, cap(got) == cap(buf) && &got[:1][0] == &buf[:1][0])
		require.Empty(t, got)
	}
	f(leastKept+1, leastKept+1, true)
	f(1<<20, 1<<20, true)
	f(1<<20, 1<<20-100_000, true)
	f(1<<20, 1<<20+1, true) // which is not believed to be more
	f(1<<20, 1<<19, false)
	f(mostKept, mostKept, true)
	f(mostKept+1, mostKept+1, false)
	f(leastKept/2, leastKept/2, false)
}

func TestRoomy(t *testing.T) {
	for n := 1; n < mostKept; n += 1 + n/7 {
		got := roomy(n)
		require.GreaterOrEqual(t, got, n)
		require.LessOrEqual(t, got, n+n/4)
		require.Equal(t, got, roomy(got), "it is one of its own sizes")
	}
}

// The buffer of a body of just the size that is believed, and of the next larger
// ones, serves the next body too: one that was kept and never found would be made
// anew with every request.
func TestBuffersAreFoundAgain(t *testing.T) {
	for _, size := range []int{leastKept, believed - 1, believed, believed + 1, 5 << 20, mostKept} {
		b := new(buffers)
		var first, second []byte
		for _, buf := range []*[]byte{&first, &second} {
			got, err := b.readAll(iotest.DataErrReader(bytes.NewReader(make([]byte, size))), int64(size))
			require.NoError(t, err)
			require.Len(t, got, size)
			*buf = got
			b.put(got)
		}
		require.Same(t, &first[0], &second[0], "%d bytes", size)
	}
}

// A client that announces more than it sends costs what it sends.
func TestAnnouncedSizesAreNotBelieved(t *testing.T) {
	require.LessOrEqual(t, cap(new(buffers).get(8<<20)), believed)
}

func TestBuffersThatNobodyWantsGo(t *testing.T) {
	b := new(buffers)
	put := func(n int) { b.put(make([]byte, 0, n)) }
	put(1 << 20)
	put(1 << 20)
	put(8 << 20)
	b.tidy()
	require.Equal(t, 10<<20, b.held, "they have just come")
	one := b.get(1 << 20)
	b.tidy()
	require.Equal(t, 0, b.held, "one of them was not wanted, nor the large one")
	b.put(one)
	two := b.get(1 << 20)
	b.put(two)
	b.tidy()
	require.Equal(t, 1<<20, b.held, "it was wanted meanwhile")
	b.tidy()
	require.Zero(t, b.held)
	require.Nil(t, b.timer)
}

func TestBuffersHoldSoMuch(t *testing.T) {
	b := new(buffers)
	for range 2 * mostHeld / mostKept {
		b.put(make([]byte, 0, mostKept))
	}
	require.Equal(t, mostHeld, b.held)
}

// The memory of a body is another's only once nobody is left who could read it.
func TestLoansEndWithTheLastUser(t *testing.T) {
	b := new(buffers)
	body := make([]byte, 1<<20)
	l := b.lend(body)
	s := pieces{body[:10], body[10:]}.source(l, false)
	reader, err := s.open()
	require.NoError(t, err)
	again, err := s.open()
	require.NoError(t, err)
	l.done()
	require.Zero(t, b.held)
	require.NoError(t, reader.Close())
	require.NoError(t, reader.Close(), "which may be called twice")
	require.Zero(t, b.held)
	_, err = reader.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, again.Close())
	require.Equal(t, 1<<20, b.held)
}

func TestLoansThatAreKept(t *testing.T) {
	b := new(buffers)
	l := b.lend(make([]byte, 1<<20))
	l.keep()
	l.done()
	require.Zero(t, b.held)
	require.Nil(t, b.lend(make([]byte, 100)), "small ones are not lent")
}
