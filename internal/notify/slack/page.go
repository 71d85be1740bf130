package slack

// page collects lines into sections within Slack's limits. It always keeps room for a closing section.
type page struct {
	blocks []block
	size   int    // of the blocks as JSON
	title  string // of the group whose first line has not come yet
	lines  string // of the section being filled
	room   int    // kept for the closing section
}

// newPage begins a page that can end with a section as long as last.
func newPage(last string, blocks ...block) *page {
	p := &page{size: len("[]"), room: section(last).size()}
	for _, b := range blocks {
		p.push(b)
	}
	return p
}

// open begins a group. Its title is shown together with its first line.
func (p *page) open(title string) {
	p.flush()
	p.title = title
}

// add puts a line into the group, and tells whether there was room for it.
func (p *page) add(line string) bool {
	lines := p.lines
	switch {
	case p.title != "":
		lines = p.title + "\n" + line
	case length(lines)+1+length(line) <= maxSection:
		lines += "\n" + line
	default:
		p.flush()
		lines = line
	}
	if len(p.blocks)+2 > maxBlocks || p.size+section(lines).size()+p.room > maxAllBlocks {
		return false
	}
	p.lines, p.title = lines, ""
	return true
}

// close ends the page with a last section, if it has a text, and returns all blocks.
func (p *page) close(last string) []block {
	p.flush()
	if last != "" {
		p.push(section(last))
	}
	return p.blocks
}

func (p *page) flush() {
	if p.lines != "" {
		p.push(section(p.lines))
	}
	p.lines = ""
}

func (p *page) push(b block) {
	p.blocks = append(p.blocks, b)
	p.size += b.size()
}
