package config

// WithoutSource is a configuration that compares equal to one built by a program.
func (c Config) WithoutSource() Config {
	c.source = nil
	return c
}
