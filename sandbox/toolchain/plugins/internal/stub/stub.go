// Package stub makes what the bridge asks of every plugin and this sandbox has no use for.
package stub

import "fmt"

// Schema returns a Pulumi package schema of name and version only: the engine asks for nothing
// else of it, and the SDK classes come ready-made from the Python package index.
func Schema(name, version string) []byte {
	return fmt.Appendf(nil, `{"name": %q, "version": %q}`, name, version)
}
