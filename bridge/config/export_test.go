package config

// Parse is Read of what is in memory.
func Parse(path string, source []byte) (*Config, error) { return parse(path, source) }
