// Package shim hands out upstream's Terraform provider for keys and certificates.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	upstream "github.com/hashicorp/terraform-provider-tls/internal/provider"
)

// NewProvider returns the provider.
func NewProvider() provider.Provider { return upstream.New() }
