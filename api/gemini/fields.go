package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// decoder reads JSON as Google's servers do: the names of members may be in
// camelCase or in snake_case, whole numbers may be strings, and a list of one
// may be that one (https://protobuf.dev/programming-guides/json/). The first
// thing that is wrong stays in err, and what follows it is not looked at.
type decoder struct {
	err error

	calls   []pendingCall // of the conversation, in their order
	turn    int           // of them, the first one of the model's latest turn
	model   bool          // whose turn it is
	counter int           // of the ids that were made up
	answers bool          // what is read is a model's, which makes mistakes
}

func (d *decoder) fail(path, want string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: expected %s", path, want)
	}
}

// valid says what is wrong with a body that is no JSON object. Everything after
// it may take for granted that strings hold no control characters and that
// escapes are whole.
func valid(body []byte) error {
	it := jsonscan.Object(body)
	for it.Next() {
	}
	if it.Err != nil {
		return it.Err
	}
	if json.Valid(body) {
		return nil
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d: %w", syntax.Offset, err)
	}
	return errors.New("invalid JSON")
}

// fields are the members of an object that nobody took yet.
type fields struct {
	d     *decoder
	path  string
	list  []field
	first [4]field // most objects have no more
}

type field struct {
	name string // in camelCase
	raw  json.RawMessage
}

// object is the members of raw; absent, null and wrong values have none.
func (d *decoder) object(raw json.RawMessage, path string) *fields {
	f := &fields{d: d, path: path}
	if absent(raw) || d.err != nil {
		return f
	}
	f.list = f.first[:0]
	it := jsonscan.Object(raw)
	for it.Next() {
		name, ok := spelled[string(it.Key)]
		if !ok {
			name = camel(string(it.Key))
		}
		f.list = append(f.list, field{name, it.Value()})
	}
	if it.Err != nil {
		d.fail(path, "an object")
	}
	return f
}

func absent(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// spelled are the names that occur in every request, which need no copy.
var spelled = func() map[string]string {
	table := map[string]string{}
	for name := range strings.FieldsSeq(`contents role parts text inlineData inline_data mimeType mime_type data fileData fileUri
		thought thoughtSignature thought_signature functionCall function_call name args id functionResponse function_response
		response systemInstruction system_instruction tools functionDeclarations function_declarations description parameters
		parametersJsonSchema toolConfig tool_config functionCallingConfig mode generationConfig generation_config temperature
		topP topK maxOutputTokens max_output_tokens stopSequences candidateCount thinkingConfig includeThoughts thinkingBudget
		thinkingLevel safetySettings content candidates finishReason index usageMetadata modelVersion responseId`) {
		table[name] = camel(name)
	}
	return table
}()

// camel is a member's name as Google's references spell it. A leading
// underscore is part of the name.
func camel(name string) string {
	if strings.LastIndexByte(name, '_') < 1 {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if i > 0 && name[i] == '_' && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z' {
			i++
			out = append(out, name[i]-'a'+'A')
			continue
		}
		out = append(out, name[i])
	}
	return string(out)
}

// in is the path of a member.
func (f *fields) in(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "." + name
}

// take is the value of a member, which is then no longer among the rest; nil
// where it is absent or null.
func (f *fields) take(name string) json.RawMessage {
	for i := range f.list {
		if f.list[i].name == name {
			raw := f.list[i].raw
			f.list = append(f.list[:i], f.list[i+1:]...)
			if absent(raw) {
				return nil
			}
			return raw
		}
	}
	return nil
}

// has tells whether a member is there, and says something.
func (f *fields) has(name string) bool {
	for i := range f.list {
		if f.list[i].name == name {
			return !absent(f.list[i].raw)
		}
	}
	return false
}

func (f *fields) object(name string) *fields { return f.d.object(f.take(name), f.in(name)) }

// text is a string member; "" where it is absent.
func (f *fields) text(name string) string {
	raw := f.take(name)
	if raw == nil {
		return ""
	}
	s, ok := jsonscan.String(raw)
	if !ok {
		f.d.fail(f.in(name), "a string")
	}
	return s
}

func (f *fields) boolean(name string) bool {
	switch raw := f.take(name); string(raw) {
	case "true":
		return true
	case "", "false":
	default:
		f.d.fail(f.in(name), "true or false")
	}
	return false
}

// number is a number as it stands there, perhaps in a string.
func (f *fields) number(name string) json.Number {
	raw := f.take(name)
	if raw == nil {
		return ""
	}
	if s, ok := jsonscan.String(raw); ok {
		raw = json.RawMessage(s)
	}
	if !isNumber(raw) {
		f.d.fail(f.in(name), "a number")
		return ""
	}
	return json.Number(raw)
}

func isNumber(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') && json.Valid(raw)
}

// whole is an integer member and whether it is there.
func (f *fields) whole(name string) (int64, bool) {
	n := f.number(name)
	if n == "" {
		return 0, false
	}
	i, err := strconv.ParseInt(strings.TrimSuffix(string(n), ".0"), 10, 64)
	if err != nil {
		f.d.fail(f.in(name), "a whole number")
	}
	return i, true
}

// each calls visit for the elements of a list, or for the one that stands in
// its place: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
// has examples where contents and parts are single objects.
func (f *fields) each(name string, visit func(raw json.RawMessage, path string)) {
	f.d.each(f.take(name), f.in(name), visit)
}

func (d *decoder) each(raw json.RawMessage, path string, visit func(raw json.RawMessage, path string)) {
	if absent(raw) || d.err != nil {
		return
	}
	if raw[0] != '[' {
		visit(raw, path)
		return
	}
	it := jsonscan.Array(raw)
	for i := 0; it.Next() && d.err == nil; i++ {
		visit(it.Value(), path+"["+strconv.Itoa(i)+"]")
	}
	if it.Err != nil {
		d.fail(path, "a list")
	}
}

func (f *fields) texts(name string) (out []string) {
	f.each(name, func(raw json.RawMessage, path string) {
		s, ok := jsonscan.String(raw)
		if !ok {
			f.d.fail(path, "a string")
		}
		out = append(out, s)
	})
	return out
}

// rest is what nobody took.
func (f *fields) rest() map[string]json.RawMessage {
	if len(f.list) == 0 {
		return nil
	}
	out := make(map[string]json.RawMessage, len(f.list))
	for _, m := range f.list {
		out[m.name] = m.raw
	}
	return out
}

// keep puts a member back among the rest.
func (f *fields) keep(name string, raw json.RawMessage) {
	if len(raw) > 0 {
		f.list = append(f.list, field{name, raw})
	}
}

// keepAll puts what is left of an object within f among the rest of f, by its
// path.
func (f *fields) keepAll(within *fields) {
	prefix := within.path
	if f.path != "" {
		prefix = strings.TrimPrefix(prefix, f.path+".")
	}
	for _, m := range within.list {
		f.list = append(f.list, field{prefix + "." + m.name, m.raw})
	}
}

// object writes a JSON object, a member at a time.
type object struct{ out []byte }

// key begins a member; its value has to follow.
func (o *object) key(name string) {
	if len(o.out) == 0 {
		o.out = append(o.out, '{')
	} else {
		o.out = append(o.out, ',')
	}
	o.out = append(api.AppendQuoted(o.out, name), ':')
}

func (o *object) add(name string, raw []byte) {
	o.key(name)
	o.out = append(o.out, raw...)
}

func (o *object) text(name, s string) {
	o.key(name)
	o.out = api.AppendQuoted(o.out, s)
}

// optional adds a text that is not empty.
func (o *object) optional(name, s string) {
	if s != "" {
		o.text(name, s)
	}
}

func (o *object) whole(name string, n int64) {
	o.key(name)
	o.out = strconv.AppendInt(o.out, n, 10)
}

func (o *object) empty() bool { return len(o.out) == 0 }

func (o *object) end() json.RawMessage {
	if len(o.out) == 0 {
		return json.RawMessage("{}")
	}
	return append(o.out, '}')
}

// appendOneLine appends JSON without line breaks, which an event of a stream
// must not have.
func appendOneLine(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return append(dst, raw...)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return append(dst, "{}"...)
	}
	return append(dst, b.Bytes()...)
}
