package prices

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

// matcher tells whether a name, in lower case, means a model.
type matcher func(name string) bool

// maxNesting is far deeper than any rule goes.
const maxNesting = 16

func compile(r *file.Rule, depth int) (matcher, error) {
	if depth > maxNesting {
		return nil, errors.New("a rule is nested too deeply")
	}
	switch {
	case r.Equals != "":
		return func(name string) bool { return name == r.Equals }, nil
	case r.StartsWith != "":
		return func(name string) bool { return strings.HasPrefix(name, r.StartsWith) }, nil
	case r.EndsWith != "":
		return func(name string) bool { return strings.HasSuffix(name, r.EndsWith) }, nil
	case r.Contains != "":
		return func(name string) bool { return strings.Contains(name, r.Contains) }, nil
	case r.Regex != "":
		expression, err := regexp.Compile(r.Regex)
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	case r.Not != nil:
		inner, err := compile(r.Not, depth+1)
		return func(name string) bool { return !inner(name) }, err
	case len(r.Or) > 0:
		return compileAll(r.Or, true, depth)
	case len(r.And) > 0:
		return compileAll(r.And, false, depth)
	default:
		return nil, errors.New("a rule says nothing")
	}
}

// compileAll makes one matcher of several: it says what the first says that says
// decisive, else the contrary.
func compileAll(rules []file.Rule, decisive bool, depth int) (matcher, error) {
	all := make([]matcher, len(rules))
	for i := range rules {
		var err error
		if all[i], err = compile(&rules[i], depth+1); err != nil {
			return nil, err
		}
	}
	return func(name string) bool {
		for _, matches := range all {
			if matches(name) == decisive {
				return decisive
			}
		}
		return !decisive
	}, nil
}

// vendor is a price list, ready to be asked.
type vendor struct {
	models    []Model
	exact     map[string]int // the first model of each name that stands for itself
	others    []rule         // in the order of the models
	fallbacks []*vendor
}

// rule is any but one for a single name.
type rule struct {
	model   int
	matches matcher
}

func newVendor(v *file.Vendor) (*vendor, error) {
	out := &vendor{exact: map[string]int{}}
	for i := range v.Models {
		m := &v.Models[i]
		model, err := newModel(m)
		if err == nil {
			err = out.index(i, &m.Match)
		}
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", m.ID, err)
		}
		out.models = append(out.models, model)
	}
	return out, nil
}

// index adds the rule of a model. Nearly all are lists of plain names.
func (v *vendor) index(model int, r *file.Rule) error {
	rules := r.Or
	if len(rules) == 0 {
		rules = []file.Rule{*r}
	}
	for i := range rules {
		if name := rules[i].Equals; name != "" {
			if _, found := v.exact[name]; !found {
				v.exact[name] = model
			}
			continue
		}
		matches, err := compile(&rules[i], 0)
		if err != nil {
			return err
		}
		v.others = append(v.others, rule{model, matches})
	}
	return nil
}

// find is the first model that a name means, in this list or in those that it
// falls back to.
func (v *vendor) find(name string) *Model {
	best, found := v.exact[name]
	for _, r := range v.others {
		if found && r.model >= best {
			break
		}
		if r.matches(name) {
			best, found = r.model, true
			break
		}
	}
	if found {
		return &v.models[best]
	}
	for _, other := range v.fallbacks {
		if m := other.find(name); m != nil {
			return m
		}
	}
	return nil
}
