package sshconn

// waits notes that the reader has taken all that was handed out, and asks for more.
func (w *wire) waits() {
	w.waiting.Store(true)
	if !w.watched.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, told := range w.onWait {
		close(told)
	}
	w.onWait = nil
	w.watched.Store(false)
}

// AllTaken returns a channel that is closed once the library has taken, checked and passed on every packet that it was handed
// before, and asks for more. It is never closed where the library has given up reading instead: for a goodbye, for damage, or
// because the wire is dead.
func (w *wire) AllTaken() <-chan struct{} {
	told := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched.Store(true) // before waiting is looked at: one of the two sees the other
	if w.waiting.Load() {
		close(told)
		return told
	}
	w.onWait = append(w.onWait, told)
	return told
}
