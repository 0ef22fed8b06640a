package cpay

// kind is the kind of a member's value.
type kind uint8

const (
	kindText kind = iota
	kindInt
	kindBool
	kindObject
)

// member is what a describing pass learns of one member. The methods that read
// and write a member also describe it, so that no description can drift.
type member struct {
	name  string
	kind  kind
	must  bool    // it is written even when it is empty
	many  bool    // it is a list
	limit int     // longest text in characters
	of    Message // an empty object of the member's kind
	// spelling is another name under which name is read; nothing else is set then.
	spelling string
}

// note takes down one member, and reports whether it is the marked one.
func (c *walk) note(d member) bool {
	c.told = append(c.told, d)
	return len(c.told)-1 == c.mark
}

// describe returns the members of m in the protocol's order and sets the one
// with index mark, so that the field behind a member can be found.
func describe(m Message, mark int) []member {
	c := walk{mode: describing, mark: mark}
	m.fields(&c)
	return c.told
}
