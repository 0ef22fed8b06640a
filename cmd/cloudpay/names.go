package main

import (
	"reflect"
)

// settingNames are the keys a settings file may have: the flag names of
// settings, read from the struct so that the two cannot differ.
func settingNames() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		if !f.Anonymous {
			names = append(names, f.Tag.Get("name"))
		}
	}
	return names
}
