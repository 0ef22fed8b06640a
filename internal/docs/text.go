package docs

import (
	"fmt"
	"strings"
)

// block is a piece of a text: a heading, a paragraph or a program.
type block struct {
	Kind  string // h1, h2, p or pre
	Parts []span
	Lang  string // of a program
	Code  string
}

// span is a run of one paragraph.
type span struct {
	Text       string
	Code, Bold bool
}

// blocksOf reads the little Markdown that our texts are written in: # and ##,
// paragraphs, fenced programs, **bold** and `code`. It refuses what would be
// shown as something else.
func blocksOf(text string) (list []block, err error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var par []string
	end := func() {
		if len(par) > 0 {
			list = append(list, block{Kind: "p", Parts: spansOf(strings.Join(par, " "))})
			par = nil
		}
	}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		lang, fence := strings.CutPrefix(line, "```")
		switch {
		case fence:
			end()
			from := i + 1
			for i++; i < len(lines) && lines[i] != "```"; i++ { //nolint:revive // looks for the end
			}
			if i == len(lines) {
				return nil, fmt.Errorf("line %d: the program does not end", from)
			}
			list = append(list, block{Kind: "pre", Lang: lang, Code: strings.Join(lines[from:i], "\n")})
		case line == "":
			end()
		case strings.HasPrefix(line, "## "):
			end()
			list = append(list, block{Kind: "h2", Parts: spansOf(line[3:])})
		case strings.HasPrefix(line, "# "):
			end()
			list = append(list, block{Kind: "h1", Parts: spansOf(line[2:])})
		case strings.ContainsAny(line[:1], "#-|>") || strings.HasPrefix(line, "    "):
			return nil, fmt.Errorf("line %d: %.20q is Markdown that these pages do not show", i+1, line)
		default:
			par = append(par, line)
		}
	}
	end()
	return list, nil
}

// spansOf cuts a paragraph where code and bold text begin and end.
func spansOf(text string) (list []span) {
	add := func(s span) {
		if s.Text != "" {
			list = append(list, s)
		}
	}
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			add(span{Text: part, Code: true})
			continue
		}
		for j, run := range strings.Split(part, "**") {
			add(span{Text: run, Bold: j%2 == 1})
		}
	}
	return list
}
