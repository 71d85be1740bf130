package quick

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// pattern is a regular expression that is tried on many texts. Most texts are ASCII, and for those an automaton reads each byte
// once; package regexp, which is some twenty times slower, has the others, and those patterns that the automaton cannot have.
type pattern struct {
	re        *regexp.Regexp
	automaton *automaton
}

func newPattern(text string) (*pattern, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{re, automatonOf(text)}, nil
}

// maxKnown is how many texts of a chunk are remembered that the automaton cannot have.
const maxKnown = 256

// matches tells of each text whether the pattern is found in it.
func (p *pattern) matches(texts []string, null []bool) []bool {
	out := make([]bool, len(texts))
	known := map[string]bool{}
	for i, s := range texts {
		if null != nil && null[i] {
			continue
		}
		is, ok := p.automaton.match(s)
		if !ok {
			if is, ok = known[s]; !ok {
				if is = p.re.MatchString(s); len(known) < maxKnown {
					known[s] = is
				}
			}
		}
		out[i] = is
	}
	return out
}

// automaton is a deterministic one over ASCII. A state is the place of its row in next, which has a state for each class of
// characters that the pattern does not tell apart.
type automaton struct {
	classes [utf8.RuneSelf]uint8
	width   int32
	next    []int32
	ends    []bool // for each state: the text may end there
}

// match tells whether the pattern is found in a text; ok is false if the automaton, which may be nil, cannot tell.
func (a *automaton) match(s string) (is, ok bool) {
	if a == nil {
		return false, false
	}
	at := int32(0)
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return false, false
		}
		if at = a.next[at+int32(a.classes[c])]; at < 0 {
			return at == found, true
		}
	}
	return a.ends[at/a.width], true
}

// States that end a search.
const (
	found = -1
	never = -2
)

// maxStates and maxInstructions bound what an automaton takes.
const (
	maxStates       = 500
	maxInstructions = 1000
)

// automatonOf is nil for patterns that look at what is beside a place, but for the ends of the text, and for those of too many states.
func automatonOf(text string) *automaton {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(prog.Inst) > maxInstructions {
		return nil
	}
	for _, i := range prog.Inst {
		if i.Op == syntax.InstEmptyWidth && syntax.EmptyOp(i.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			return nil
		}
	}
	m := &maker{automaton: &automaton{}, prog: prog, seen: make([]int, len(prog.Inst)), known: map[string]int32{}}
	m.classify()
	if !m.run() {
		return nil
	}
	return m.automaton
}

// maker makes an automaton of a program for a machine that is at many instructions at once, by taking each set of these as a state.
type maker struct {
	*automaton
	prog  *syntax.Prog
	reads []string // for each class: the instructions that read it
	sets  [][]uint32
	known map[string]int32 // the states of sets
	seen  []int            // when each instruction was last come to
	now   int
}

// classify puts characters together that all instructions treat alike.
func (m *maker) classify() {
	for c := range m.classes {
		reads := make([]byte, len(m.prog.Inst))
		for pc := range reads {
			if readsRune(&m.prog.Inst[pc], rune(c)) {
				reads[pc] = 1
			}
		}
		class := slices.Index(m.reads, string(reads))
		if class < 0 {
			class = len(m.reads)
			m.reads = append(m.reads, string(reads))
		}
		m.classes[c] = uint8(class)
	}
	m.width = int32(len(m.reads))
}

func readsRune(i *syntax.Inst, c rune) bool {
	switch i.Op {
	case syntax.InstRune, syntax.InstRune1:
		return i.MatchRune(c)
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return c != '\n'
	}
	return false
}

// run makes all states that can be come to, and tells whether they are of use: few, and not the end of the search at once.
func (m *maker) run() bool {
	start := uint32(m.prog.Start)
	m.now++
	if m.state(m.follow(nil, start, syntax.EmptyBeginText)) != 0 {
		return false
	}
	m.now++
	m.ends[0] = m.matches(m.follow(nil, start, syntax.EmptyBeginText|syntax.EmptyEndText))
	for at := 0; at < len(m.sets); at++ {
		if len(m.sets) > maxStates {
			return false
		}
		for _, reads := range m.reads {
			m.now++
			var after []uint32
			for _, pc := range m.sets[at] {
				if reads[pc] == 1 {
					after = m.follow(after, m.prog.Inst[pc].Out, 0)
				}
			}
			m.next = append(m.next, m.state(m.follow(after, start, 0)))
		}
	}
	return true
}

// follow adds the instructions that are come to from one without reading, where these ends of the text are: those that read, wait
// for an end, or are the match.
func (m *maker) follow(set []uint32, pc uint32, at syntax.EmptyOp) []uint32 {
	if m.seen[pc] == m.now {
		return set
	}
	m.seen[pc] = m.now
	switch i := &m.prog.Inst[pc]; i.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return m.follow(m.follow(set, i.Out, at), i.Arg, at)
	case syntax.InstCapture, syntax.InstNop:
		return m.follow(set, i.Out, at)
	case syntax.InstEmptyWidth:
		if syntax.EmptyOp(i.Arg)&^at == 0 {
			return m.follow(set, i.Out, at)
		}
		if syntax.EmptyOp(i.Arg)&syntax.EmptyBeginText != 0 { // it will never be there again
			return set
		}
	case syntax.InstFail:
		return set
	}
	return append(set, pc)
}

// state gives the state of a set.
func (m *maker) state(set []uint32) int32 {
	if m.matches(set) {
		return found
	}
	if len(set) == 0 {
		return never
	}
	slices.Sort(set)
	var key []byte
	for _, pc := range set {
		key = binary.AppendUvarint(key, uint64(pc))
	}
	at, ok := m.known[string(key)]
	if !ok {
		at = int32(len(m.sets)) * m.width
		if at > 0 { // the first is where the text begins, which no other is
			m.known[string(key)] = at
		}
		m.sets, m.ends = append(m.sets, set), append(m.ends, m.endsAt(set))
	}
	return at
}

func (m *maker) matches(set []uint32) bool {
	return slices.ContainsFunc(set, func(pc uint32) bool { return m.prog.Inst[pc].Op == syntax.InstMatch })
}

// endsAt tells whether there is a match if the text ends at a set.
func (m *maker) endsAt(set []uint32) bool {
	m.now++
	var all []uint32
	for _, pc := range set {
		all = m.follow(all, pc, syntax.EmptyEndText)
	}
	return m.matches(all)
}
