// Command random is the Pulumi resource plugin "random": upstream's Terraform provider, bridged,
// with the tokens of the pulumi-random SDK.
package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"arquitectura/sandbox/plugins/internal/stub"
)

// version is the SDK's, set by the linker.
var version string

func main() {
	info := tfbridge.ProviderInfo{
		P:            pf.ShimProvider(shim.NewProvider()),
		Name:         "random",
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Resources: map[string]*tfbridge.ResourceInfo{
			"random_bytes":    {Tok: "random:index/randomBytes:RandomBytes"},
			"random_id":       {Tok: "random:index/randomId:RandomId"},
			"random_integer":  {Tok: "random:index/randomInteger:RandomInteger"},
			"random_password": {Tok: "random:index/randomPassword:RandomPassword"},
			"random_pet":      {Tok: "random:index/randomPet:RandomPet"},
			"random_shuffle":  {Tok: "random:index/randomShuffle:RandomShuffle"},
			"random_string":   {Tok: "random:index/randomString:RandomString"},
			"random_uuid":     {Tok: "random:index/randomUuid:RandomUuid"},
			"random_uuid4":    {Tok: "random:index/randomUuid4:RandomUuid4"},
			"random_uuid7":    {Tok: "random:index/randomUuid7:RandomUuid7"},
		},
	}
	pf.Main(context.Background(), info.Name, info, pf.ProviderMetadata{
		PackageSchema: stub.Schema(info.Name, version),
	})
}
