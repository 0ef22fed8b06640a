package main

import (
	"reflect"
)

// settingNames are the keys a settings file may have: the flag names of
// settings, read from the struct so that the two cannot differ.
func settingNames() []string {
	var names []string
	for f := range reflect.TypeFor[settings]().Fields() {
		names = append(names, f.Tag.Get("name"))
	}
	return names
}
