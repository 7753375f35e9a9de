//go:build tools

// Package cluster names the programs of other modules that are built with the versions of this one.
package cluster

import _ "helm.sh/helm/v3/cmd/helm"
