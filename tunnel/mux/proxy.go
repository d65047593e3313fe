package mux

import "context"

func (c *client) proxy(ctx context.Context, id uint32) bool { return c.fail(id, "unsupported request") }
