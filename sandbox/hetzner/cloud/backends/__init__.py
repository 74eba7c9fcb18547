"""Where servers, networks and volumes really are."""
