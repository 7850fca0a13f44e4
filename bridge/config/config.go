// Package config reads a bridge's configuration file.
package config

import _ "github.com/goccy/go-yaml" // until it is used
