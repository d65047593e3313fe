// Package kubernetes checks the manifests against the types of Kubernetes' own API. It is a module of its own, so that nobody else needs
// those: `make kubernetes` runs it.
package kubernetes
