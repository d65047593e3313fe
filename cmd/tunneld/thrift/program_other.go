//go:build !linux

package thrift

func forgetProgram() {}
