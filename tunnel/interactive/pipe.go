package interactive

import "context"

// Pipe opens a channel and carries Files.In and Files.Out through it as they are, until the server has closed it: `ssh -W`.
// Nothing is asked of the server but the channel. The errors are as Run's.
func Pipe(ctx context.Context, open func(context.Context) (Channel, error), f Files) error {
	ch, err := open(ctx)
	if err != nil {
		return err
	}
	s, err := newSession(ch, Request{}, f, nil)
	if err != nil {
		ch.Close()
		return err
	}
	defer s.end()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	s.receive()
	close(s.ready)
	go s.sendInput(leave)
	_, err = s.wait(ctx)
	return err
}
