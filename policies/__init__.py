"""The policy pack: what a stack must keep to, whoever wrote its program or config."""
