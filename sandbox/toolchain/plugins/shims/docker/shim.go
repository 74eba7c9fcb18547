// Package shim hands out upstream's Terraform provider for Docker.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the provider; version is what it tells registries in its user agent.
func NewProvider(version string) *schema.Provider { return provider.New(version)() }
