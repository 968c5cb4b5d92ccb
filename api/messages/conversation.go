package messages

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// conversation arranges neutral messages into turns that Anthropic takes:
//   - system messages at the start become `system`. Later ones become text of the
//     user's turn where they stand, since most models refuse another role there;
//   - messages of one role that follow each other are one turn;
//   - the results of all calls of a turn begin the turn right after it. A call
//     without a result gets an empty one where the conversation goes on, and a
//     result without a call becomes what it holds;
//   - ids of calls are unique;
//   - text of nothing but space is left out, and so is space at the end of a last
//     turn of the assistant's;
//   - images that the assistant made go to the user's next turn;
//   - a conversation with nothing but system messages is asked as the user's. One
//     that the assistant begins gets a user's turn before it, of a single full
//     stop: no other word would be the client's. So it goes, after it, with one
//     that the assistant ends, where the model refuses to go on with a turn.
//
// What came in this format keeps its turns and ids, and only results are mended
// in their order. Left out is what other vendors have signed.
type conversation struct {
	source   api.API
	native   bool
	prefills bool // the model goes on with a turn of the assistant's
	drop     func(string)

	system  turn
	turns   []turn
	open    map[string]pending // the calls, by the ids that the client gave
	ids     map[string]int     // how often each encoded id was used
	called  []string           // the names of the tools, each once
	carry   []byte             // blocks for the user's next turn
	apart   bool               // what comes next begins a turn
	foreign bool               // reasoning was left out
}

// again marks a second call of a turn with the id of the first.
const again = "\x00"

// pending is a call that may get a result.
type pending struct {
	id       string
	turn     int
	answered bool
}

func (c *conversation) build(messages []api.Message) error {
	c.open, c.ids = map[string]pending{}, map[string]int{}
	for i := range messages {
		m := &messages[i]
		// A user's turn with results has come to two messages.
		c.apart = c.native && (i == 0 || messages[i-1].Role != api.RoleTool || m.Role != api.RoleUser)
		if m.Name != "" {
			c.drop("name")
		}
		if err := c.message(m); err != nil {
			return err
		}
	}
	c.finish()
	return nil
}

func (c *conversation) message(m *api.Message) error {
	role := "user"
	switch m.Role {
	case api.RoleSystem, api.RoleDeveloper:
		if len(c.turns) == 0 {
			return c.systemPrompt(m.Parts)
		}
		if c.native {
			role = "system"
		}
	case api.RoleAssistant:
		role = "assistant"
	}
	for i := range m.Parts {
		if err := c.add(role, &m.Parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// systemPrompt takes text only; what else stands there goes to the user's turn.
func (c *conversation) systemPrompt(parts []api.Part) error {
	for i := range parts {
		p := &parts[i]
		switch {
		case p.Kind == api.Text:
			c.text(&c.system, p)
		case c.native && p.Kind == api.Opaque:
			c.system.block(p.Raw)
		default:
			if err := c.add("user", p); err != nil {
				return err
			}
		}
	}
	return nil
}

// at is the turn to which blocks of a role go now.
func (c *conversation) at(role string) *turn {
	if n := len(c.turns); n > 0 && c.turns[n-1].role == role && !c.apart {
		return &c.turns[n-1]
	}
	c.apart = false
	c.turns = append(c.turns, turn{role: role, lastAt: -1})
	t := &c.turns[len(c.turns)-1]
	if role == "user" && len(c.carry) > 0 {
		t.block(c.carry)
		c.carry = nil
	}
	return t
}

func (c *conversation) text(t *turn, p *api.Part) {
	switch {
	case p.Text == "", !c.native && strings.TrimSpace(p.Text) == "":
	case p.Source == api.Messages && len(p.Raw) > 0:
		t.block(p.Raw)
	case len(p.Cache) > 0 || c.native && len(p.Citations) > 0:
		dst := memberText([]byte(`{"type":"text"`), "text", p.Text)
		if list := nativeCitations(p.Citations); len(list) > 0 {
			dst = memberRaw(dst, "citations", list)
		}
		t.block(append(optionalRaw(dst, "cache_control", p.Cache), '}'))
	default:
		t.plain(p.Text)
	}
}

func nativeCitations(list []api.Citation) []byte {
	dst := []byte{'['}
	for i := range list {
		if list[i].Source == api.Messages {
			dst = append(element(dst), list[i].Raw...)
		}
	}
	if len(dst) == 1 {
		return nil
	}
	return append(dst, ']')
}

func (c *conversation) add(role string, p *api.Part) error {
	switch p.Kind {
	case api.Text, api.Refusal:
		if strings.TrimSpace(p.Text) != "" || c.native && p.Text != "" {
			c.text(c.at(role), p)
		}
	case api.ToolCall:
		c.call(p)
	case api.ToolResult:
		return c.result(p)
	case api.Thinking:
		c.reasoning(role, p)
	case api.Opaque:
		if p.Source == api.Messages {
			c.at(role).block(p.Raw)
			return nil
		}
		kind, _ := jsonscan.String(jsonscan.Member(p.Raw, "type"))
		c.drop("messages." + kind)
	default:
		block, err := mediaBlock(p, c.source)
		if err != nil || block == nil {
			return err
		}
		if d := p.Media.Detail; d != "" && d != "auto" {
			c.drop("detail")
		}
		if role == "assistant" && !c.native {
			if len(c.carry) > 0 {
				c.carry = append(c.carry, ',')
			}
			c.carry = append(c.carry, block...)
			return nil
		}
		c.at(role).block(block)
	}
	return nil
}

// reasoning goes back only to who made it and signed it.
func (c *conversation) reasoning(role string, p *api.Part) {
	if p.Vendor != vendor || p.Signature == "" {
		c.foreign = true
		c.drop("messages.thinking")
		return
	}
	t := c.at(role)
	t.thinks = t.thinks || t.empty()
	if p.Redacted {
		t.block(append(memberText([]byte(`{"type":"redacted_thinking"`), "data", p.Signature), '}'))
		return
	}
	dst := memberText([]byte(`{"type":"thinking"`), "thinking", p.Text)
	t.block(append(memberText(dst, "signature", p.Signature), '}'))
}

func (c *conversation) call(p *api.Part) {
	t := c.at("assistant")
	id := c.callID(p.Call.ID)
	if !slices.Contains(c.called, p.Call.Name) {
		c.called = append(c.called, p.Call.Name)
	}
	key := p.Call.ID
	for before, ok := c.open[key]; ok && !c.native && before.turn == len(c.turns)-1; before, ok = c.open[key] {
		key += again
	}
	c.open[key] = pending{id: id, turn: len(c.turns) - 1}
	t.calls = append(t.calls, key)
	if p.Source == api.Messages && len(p.Raw) > 0 {
		t.block(p.Raw)
		return
	}
	dst := appendToolUse(nil, id, p.Call)
	t.block(append(optionalRaw(dst, "cache_control", p.Cache), '}'))
}

// callID is a call's id in letters that Anthropic takes, and given once: some
// providers number the calls of each answer anew.
func (c *conversation) callID(id string) string {
	if c.native {
		return id
	}
	id = api.CallID(id)
	c.ids[id]++
	if n := c.ids[id]; n > 1 {
		id = api.CallID(id + "_" + strconv.Itoa(n))
		c.ids[id]++
	}
	return id
}

// result goes to the turn after its call's, whatever stands between.
func (c *conversation) result(p *api.Part) error {
	key := p.Result.ID
	call, ok := c.open[key]
	for next, more := c.open[key+again]; call.answered && more && next.turn == call.turn; next, more = c.open[key+again] {
		key, call = key+again, next
	}
	if !ok && !c.native {
		for i := range p.Result.Parts {
			if err := c.add("user", &p.Result.Parts[i]); err != nil {
				return err
			}
		}
		return nil
	}
	var t *turn
	if after := call.turn + 1; ok && after < len(c.turns) && c.turns[after].role == "user" {
		t = &c.turns[after]
	} else {
		t = c.at("user")
	}
	if ok && call.answered && !c.native {
		return nil // a second result is refused
	}
	if !ok {
		call.id = p.Result.ID
	}
	call.answered = true
	c.open[key] = call
	block, err := c.resultBlock(p, call.id)
	t.result(block)
	return err
}

func (c *conversation) resultBlock(p *api.Part, id string) ([]byte, error) {
	if p.Source == api.Messages && len(p.Raw) > 0 {
		return p.Raw, nil
	}
	inner := conversation{source: c.source, native: c.native, drop: c.drop}
	for i := range p.Result.Parts {
		if part := &p.Result.Parts[i]; part.Kind != api.ToolCall && part.Kind != api.ToolResult && part.Kind != api.Thinking {
			if err := inner.add("user", part); err != nil {
				return nil, err
			}
		}
	}
	dst := memberText([]byte(`{"type":"tool_result"`), "tool_use_id", id)
	if p.Result.IsError {
		dst = memberRaw(dst, "is_error", "true")
	}
	if len(inner.turns) > 0 {
		dst = inner.turns[0].appendContent(member(dst, "content"))
	}
	return append(optionalRaw(dst, "cache_control", p.Cache), '}'), nil
}

// finish mends what can only be seen in the whole.
func (c *conversation) finish() {
	if c.native {
		return
	}
	if len(c.carry) > 0 { // a picture was the last word
		c.at("user")
	}
	for i := range c.turns {
		if i+1 < len(c.turns) {
			c.answer(&c.turns[i], &c.turns[i+1])
		}
	}
	switch n := len(c.turns); {
	case n == 0:
		c.system.role = "user"
		c.turns, c.system = append(c.turns, c.system), turn{}
	case c.turns[n-1].role == "assistant":
		c.turns[n-1].trim()
		if !c.prefills && len(c.turns[n-1].calls) == 0 {
			c.at("user").plain(".")
		}
	}
	if c.turns[0].empty() || c.turns[0].role == "assistant" {
		first := turn{role: "user"}
		first.plain(".")
		if c.turns[0].empty() {
			c.turns = nil
		}
		c.turns = append([]turn{first}, c.turns...)
	}
}

func (c *conversation) answer(t, next *turn) {
	for _, id := range t.calls {
		call := c.open[id]
		if call.answered || &c.turns[call.turn] != t {
			continue
		}
		call.answered = true
		c.open[id] = call
		next.result(append(memberText([]byte(`{"type":"tool_result"`), "tool_use_id", call.id), '}'))
	}
}

// repliesUnthinking tells whether the model is to go on with a turn, or after
// calls, that it made without thinking, or whose thinking is lost. A model with a
// budget refuses that: such a turn has to begin with a thinking block.
// https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
func (c *conversation) repliesUnthinking() bool {
	n := len(c.turns)
	switch {
	case n > 0 && c.turns[n-1].role == "assistant":
		return !c.turns[n-1].thinks
	case n > 1 && len(c.turns[n-1].results) > 0 && len(c.turns[n-2].calls) > 0:
		return !c.turns[n-2].thinks
	}
	return false
}

func (c *conversation) size() (n int) {
	n = len(c.system.rest)
	for i := range c.turns {
		n += len(c.turns[i].results) + len(c.turns[i].rest) + len(`{"role":"assistant","content":[]},`)
	}
	return n
}

// appendTo writes system and messages.
func (c *conversation) appendTo(dst []byte) []byte {
	if !c.system.empty() {
		dst = c.system.appendContent(member(dst, "system"))
	}
	dst = append(member(dst, "messages"), '[')
	for i := range c.turns {
		if c.turns[i].empty() {
			continue
		}
		dst = memberText(append(element(dst), '{'), "role", c.turns[i].role)
		dst = append(c.turns[i].appendContent(member(dst, "content")), '}')
	}
	return append(dst, ']')
}
