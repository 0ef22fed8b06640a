package main

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// valueHelp is a flag's line of help with what its placeholder hides: the values
// it may have, and the one it has without being given. A default of 0 is left to
// the sentence, which says what 0 means.
func valueHelp(v *kong.Value) string {
	if v.Flag == nil || v.Help == "" {
		return kong.DefaultHelpValueFormatter(v)
	}
	var more []string
	if v.Enum != "" {
		values := slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
		if slices.ContainsFunc(values, func(s string) bool { return !strings.Contains(v.Help, s) }) {
			more = append(more, "one of "+strings.Join(values, ", "))
		}
	}
	if v.HasDefault && v.Flag.PlaceHolder != "" && v.Default != "" && v.Default != "0" {
		more = append(more, "default "+v.Default)
	}
	if len(more) == 0 {
		return kong.DefaultHelpValueFormatter(v)
	}
	told := *v
	text, stop := strings.CutSuffix(v.Help, ".")
	told.Help = text + " (" + strings.Join(more, "; ") + ")"
	if stop {
		told.Help += "."
	}
	return kong.DefaultHelpValueFormatter(&told)
}

// nameValues gives flags a placeholder that says what to put there, where kong
// would write the type: --merchant=MERCHANT, as the documents do, not =STRING.
func nameValues(k *kong.Kong) error {
	return kong.Visit(k.Model, func(v kong.Visitable, next kong.Next) error {
		f, ok := v.(*kong.Flag)
		if !ok || f.IsBool() || f.PlaceHolder != "" || f.HasDefault && f.Default != "" {
			return next(nil)
		}
		kind := f.Target.Type()
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		switch {
		case kind.Kind() == reflect.String:
			f.PlaceHolder = strings.ToUpper(f.Name)
		case kind == reflect.TypeFor[time.Duration](): // its name says it
		case kind.ConvertibleTo(reflect.TypeFor[float64]()):
			f.PlaceHolder = "N"
		}
		return next(nil)
	})
}

// helpFor is the command whose --help tells more about a mistake: the one that
// was being read when it was found.
func helpFor(err error) string {
	bad, ok := errors.AsType[*kong.ParseError](err)
	if !ok || bad.Context == nil {
		return "cloudpay"
	}
	for _, step := range slices.Backward(bad.Context.Path) {
		if step.Command != nil {
			return step.Command.FullPath()
		}
	}
	return "cloudpay"
}
