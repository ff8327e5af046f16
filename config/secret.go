package config

import "log/slog"

const redacted = "[secret]"

// Secret is a text that shows itself to nobody: every way of printing or encoding it gives "[secret]". Convert it to a
// string where it is used.
type Secret string

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalYAML() (any, error)    { return redacted, nil }
