// Command docker is the Pulumi resource plugin "docker": upstream's Terraform provider, bridged,
// with the tokens and property names of the pulumi-docker SDK.
//
// It has no docker:index/image:Image, which is no part of the Terraform provider.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-providers/terraform-provider-docker/shim"

	"arquitectura/sandbox/plugins/internal/stub"
)

// version is the SDK's, set by the linker.
var version string

func main() {
	info := tfbridge.ProviderInfo{
		P:       shimv2.NewProvider(shim.NewProvider(version)),
		Name:    "docker",
		Version: version,
		// Lists that the bridge would turn into plurals, and the SDK does not.
		Config: map[string]*tfbridge.SchemaInfo{
			"registry_auth": {Name: "registryAuth"},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": {Tok: "docker:index/buildxBuilder:BuildxBuilder"},
			"docker_config":         {Tok: "docker:index/serviceConfig:ServiceConfig"},
			"docker_container": {
				Tok: "docker:index/container:Container",
				Fields: map[string]*tfbridge.SchemaInfo{
					"command":           {Name: "command"},
					"networks_advanced": {Name: "networksAdvanced"},
				},
				// Names and ports are taken as long as the old container is there.
				DeleteBeforeReplace: true,
			},
			"docker_image":          {Tok: "docker:index/remoteImage:RemoteImage"},
			"docker_network":        {Tok: "docker:index/network:Network"},
			"docker_plugin":         {Tok: "docker:index/plugin:Plugin"},
			"docker_registry_image": {Tok: "docker:index/registryImage:RegistryImage"},
			"docker_secret":         {Tok: "docker:index/secret:Secret"},
			"docker_service":        {Tok: "docker:index/service:Service"},
			"docker_tag":            {Tok: "docker:index/tag:Tag"},
			"docker_volume":         {Tok: "docker:index/volume:Volume"},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":          {Tok: "docker:index/getRemoteImage:getRemoteImage"},
			"docker_logs":           {Tok: "docker:index/getLogs:getLogs"},
			"docker_network":        {Tok: "docker:index/getNetwork:getNetwork"},
			"docker_plugin":         {Tok: "docker:index/getPlugin:getPlugin"},
			"docker_registry_image": {Tok: "docker:index/getRegistryImage:getRegistryImage"},
			"docker_registry_image_manifests": {
				Tok: "docker:index/getRegistryImageManifests:getRegistryImageManifests",
			},
		},
	}
	info.SetAutonaming(255, "-")
	tfbridge.Main(info.Name, version, info, stub.Schema(info.Name, version))
}
