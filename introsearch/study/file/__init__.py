"""From a YAML file to a validated study."""
