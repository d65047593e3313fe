package sshconn

import (
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/tunnel/brief"
)

// The write buffers that no wire fills or writes at the moment: a quiet connection has none.
var (
	batches      = sync.Pool{New: func() any { return new([wireBatch]byte) }}
	firstBatches = sync.Pool{New: func() any { return new([firstBatch]byte) }}
)

// withRoom returns a batch that has room for so many bytes more, or all that a batch may have.
func withRoom(batch []byte, more int) []byte {
	switch {
	case len(batch)+more <= cap(batch), cap(batch) == wireBatch:
		return batch
	case len(batch)+more <= firstBatch:
		return firstBatches.Get().(*[firstBatch]byte)[:0]
	}
	large := append(batches.Get().(*[wireBatch]byte)[:0], batch...)
	giveBatch(batch)
	return large
}

// giveBatch gives a batch back, which may be nil.
func giveBatch(batch []byte) {
	switch cap(batch) {
	case wireBatch:
		batches.Put((*[wireBatch]byte)(batch[:wireBatch]))
	case firstBatch:
		firstBatches.Put((*[firstBatch]byte)(batch[:firstBatch]))
	}
}

// Write implements net.Conn: it queues p and returns. It blocks while 512 KiB are on their way.
func (w *wire) Write(p []byte) (int, error) {
	n, hooks, err := w.enqueue(p)
	for _, f := range hooks {
		f()
	}
	return n, err
}

// enqueue is Write without its calls of the afterWrite functions, which it returns.
func (w *wire) enqueue(p []byte) (queued int, hooks []func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	queued = w.writeAtOnce(p)
	for queued < len(p) {
		for len(w.queue) == wireBatch && w.cause == nil && !w.closing {
			w.room.Wait()
		}
		switch {
		case w.cause != nil:
			return queued, nil, w.cause
		case w.closing:
			return queued, nil, net.ErrClosed
		}
		w.queue = withRoom(w.queue, len(p)-queued)
		n := min(len(p)-queued, wireBatch-len(w.queue))
		w.queue = append(w.queue, p[queued:queued+n]...)
		queued += n
		w.queued.Add(uint64(n))
		w.work.Signal()
	}
	hooks, w.onWrite = w.onWrite, nil
	return queued, hooks, nil
}

// writeAtOnce writes what comes after a silence without waking the writer, as far as the socket takes it without waiting: most of what
// a quiet connection sends is a keepalive. It returns how much that is, and leaves it to the writer, who has the rest, to end the wire
// where that met an error. mu is held.
func (w *wire) writeAtOnce(p []byte) int {
	now := time.Since(w.started)
	silent := now - w.wrote
	w.wrote = now
	if silent < silence || len(p) > firstBatch || w.queue != nil || w.writing || w.raw == nil || w.cause != nil || w.closing {
		return 0
	}
	n := w.writeNow(p)
	w.queued.Add(uint64(n))
	w.sent.Add(uint64(n))
	return n
}

// writeNow writes what the socket takes now. It allocates, as writeAtOnce must not, which is called for each packet.
func (w *wire) writeNow(p []byte) (written int) {
	w.raw.Write(func(fd uintptr) bool {
		n, err := brief.Write(int(fd), p)
		switch err {
		case nil:
			written = n
		case syscall.EAGAIN:
		default: // a socket says that once: who comes next hears of a broken pipe, or of an end
			w.met = brief.Failed("write", w.conn, os.NewSyscallError("write", err))
		}
		return true
	})
	return written
}

// afterWrite has f called once something has been queued; never, where the wire dies before. f must be quick.
func (w *wire) afterWrite(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.onWrite = append(w.onWrite, f)
	}
}

// writeBatches is the writer: it writes what has gathered, in one system call, until the wire is closed or dead.
func (w *wire) writeBatches() {
	defer close(w.written)
	for {
		batch := w.takeBatch()
		if batch == nil {
			break
		}
		n, err := w.writeBatch(batch)
		w.sent.Add(uint64(n))
		giveBatch(batch)
		if err != nil {
			w.fail(err)
			return
		}
	}
	w.fail(net.ErrClosed)
}

// writeBatch writes to the socket. It is over before anybody else could make use of the time.
func (w *wire) writeBatch(batch []byte) (int, error) {
	if w.raw == nil {
		return w.conn.Write(batch)
	}
	n, err := brief.WriteAll(w.raw, batch)
	if err != nil {
		err = brief.Failed("write", w.conn, err)
	}
	return n, err
}

// takeBatch waits for bytes and takes them all. It returns nil when there is nothing more to write. Whoever is about to write
// as well has its turn before, so that one system call, and one wake-up of the server, will do: it takes a fraction of what that
// costs. While much comes in that would be long.
func (w *wire) takeBatch() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = false
	for w.queue == nil && w.cause == nil && !w.closing {
		w.work.Wait()
		if len(w.queue) < brief.Few && !w.flooded.Load() {
			w.mu.Unlock()
			runtime.Gosched()
			w.mu.Lock()
		}
	}
	if w.cause != nil {
		return nil
	}
	batch := w.queue
	w.writing = true
	w.queue = nil
	w.room.Broadcast()
	return batch
}
