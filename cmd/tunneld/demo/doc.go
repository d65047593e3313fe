// Package demo is the story of `tunneld demo`: a server in this process, a tunnel to it, a cut, and what comes of it.
package demo
