// Package shim hands out upstream's Terraform provider for random values.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	upstream "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the provider.
func NewProvider() provider.Provider { return upstream.New() }
