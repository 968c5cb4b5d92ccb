package gemini

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// part reads one part of a content:
// https://ai.google.dev/api/caching#Part. What carries members that the neutral
// form cannot hold, such as videoMetadata, keeps its whole text in Raw beside
// what it says, so that it survives to a target of the same format; what holds
// nothing that is known is Opaque.
func (d *decoder) part(raw json.RawMessage, path string) api.Part {
	if s, ok := jsonscan.String(raw); ok {
		return api.Part{Kind: api.Text, Text: s}
	}
	f := d.object(raw, path)
	thought := f.boolean("thought")
	signature := f.text("thoughtSignature")
	part := d.data(f, thought || signature != "")
	switch {
	case part.Kind == 0, thought && part.Media != nil:
		// A draft of a picture is no part of the answer.
		return api.Part{Kind: api.Opaque, Vendor: api.Google, Raw: raw, Source: api.Gemini}
	case thought && part.Kind == api.Text:
		part.Kind, part.Vendor = api.Thinking, api.Google
	}
	readSignature(&part, signature)
	if len(f.list) > 0 || part.Kind == api.ToolResult {
		part.Raw, part.Source = raw, api.Gemini
	}
	return part
}

// data reads what a part holds; nothing where it is not known. It may be empty
// where something stands beside it. What an object within says that the neutral
// form does not know stays among the rest.
func (d *decoder) data(f *fields, marked bool) (part api.Part) {
	var within *fields
	switch {
	case f.has("functionCall"):
		within = f.object("functionCall")
		part = d.functionCall(within)
	case f.has("functionResponse"):
		return d.functionResponse(f.object("functionResponse"))
	case f.has("inlineData"):
		within = f.object("inlineData")
		part = d.inlineData(within)
	case f.has("fileData"):
		within = f.object("fileData")
		part = d.fileData(within)
	case f.has("text") || len(f.list) == 0 && marked:
		return api.Part{Kind: api.Text, Text: f.text("text")}
	default:
		return part
	}
	f.keepAll(within)
	return part
}

func (d *decoder) inlineData(f *fields) api.Part {
	media := &api.Media{MIME: f.text("mimeType"), Data: f.text("data"), Name: f.text("displayName")}
	if media.Data == "" && !d.answers {
		d.fail(f.in("data"), "the content in base64")
	}
	return api.Part{Kind: mediaKind(media.MIME), Media: media}
}

func (d *decoder) fileData(f *fields) api.Part {
	uri := f.text("fileUri")
	if uri == "" && !d.answers {
		d.fail(f.in("fileUri"), "the address of a file")
	}
	media := &api.Media{MIME: f.text("mimeType"), Name: f.text("displayName")}
	if ownFile(uri) {
		media.FileID = uri
	} else {
		media.URL = uri
	}
	return api.Part{Kind: mediaKind(media.MIME), Media: media}
}

// ownFile tells a name that only Google can look up, as its Files API gives
// them, from an address that others may read, too.
func ownFile(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return true
	}
	return strings.HasPrefix(uri, ownFiles)
}

// ownFiles is the beginning of the addresses that the Files API gives.
const ownFiles = "https://generativelanguage.googleapis.com/"

func mediaKind(mime string) api.Kind {
	switch {
	case strings.HasPrefix(mime, "image/"):
		return api.Image
	case strings.HasPrefix(mime, "audio/"):
		return api.Sound
	}
	return api.File
}

// pendingCall is a call of the conversation that waits for its result.
type pendingCall struct {
	id, name string
	answered bool
}

func (d *decoder) functionCall(f *fields) api.Part {
	call := &api.Call{ID: f.text("id"), Name: f.text("name"), Arguments: unwrapped(f.take("args"))}
	switch {
	case call.Name == "" && d.answers:
		return api.Part{}
	case call.Name == "":
		d.fail(f.in("name"), "the name of a function")
	}
	if call.ID == "" {
		call.ID = d.nextID()
	}
	d.calls = append(d.calls, pendingCall{id: call.ID, name: call.Name})
	part := api.Part{Kind: api.ToolCall, Call: call}
	return part
}

// unwrapped is the text of a call's arguments: what appendArguments wrapped
// because it is no object, or the object.
func unwrapped(args json.RawMessage) string {
	it := jsonscan.Object(args)
	if it.Next() && string(it.Key) == rawArguments {
		if text, ok := jsonscan.String(it.Value()); ok && !it.Next() && !isObject(text) && strings.TrimSpace(text) != "" {
			return text
		}
	}
	return string(args)
}

// nextID makes up an id of a call. Counting makes that of each call the same
// one in all the requests of a conversation.
func (d *decoder) nextID() string {
	d.counter++
	return madeUp + strconv.Itoa(d.counter)
}

// answerIDs makes up the ids of an answer's calls, which must not be those of
// an earlier answer: the client keeps them all in one conversation.
func answerIDs(responseID string) string {
	if responseID == "" {
		var random [12]byte
		_, _ = rand.Read(random[:])
		responseID = hex.EncodeToString(random[:])
	}
	if len(responseID) > 40 {
		responseID = api.CallID(responseID)
	}
	return api.CallID(madeUp+responseID) + "_"
}

func (d *decoder) functionResponse(f *fields) api.Part {
	result := &api.Result{ID: f.text("id"), Name: f.text("name")}
	if result.Name == "" {
		d.fail(f.in("name"), "the name of a function")
	}
	result.ID = d.answer(result.ID, result.Name)
	readResult(result, f.take("response"))
	f.each("parts", func(raw json.RawMessage, path string) {
		part := d.object(raw, path)
		switch {
		case part.has("inlineData"):
			result.Parts = append(result.Parts, d.inlineData(part.object("inlineData")))
		case part.has("fileData"):
			result.Parts = append(result.Parts, d.fileData(part.object("fileData")))
		}
	})
	return api.Part{Kind: api.ToolResult, Result: result}
}

// answer finds the call to which a result belongs, and gives its id: the one
// with the result's id, else the first one of its name that has none yet, of the
// model's latest turn before those that were left alone.
func (d *decoder) answer(id, name string) string {
	for i := range d.calls {
		if call := &d.calls[i]; id != "" && !call.answered && call.id == id {
			call.answered = true
			return id
		}
	}
	for _, calls := range [][]pendingCall{d.calls[d.turn:], d.calls[:d.turn]} {
		for i := range calls {
			call := &calls[i]
			if !call.answered && call.name == name && (id == "" || strings.HasPrefix(call.id, madeUp)) {
				call.answered = true
				return call.id
			}
		}
	}
	if id == "" {
		return d.nextID()
	}
	return id
}

// readResult takes a function's response apart. Google leaves its form to the
// function, but reads output and error:
// https://ai.google.dev/api/caching#FunctionResponse. Its SDKs write result, too.
func readResult(result *api.Result, raw json.RawMessage) {
	if absent(raw) {
		return
	}
	text := string(raw)
	it := jsonscan.Object(raw)
	if it.Next() {
		key, value := string(it.Key), it.Value()
		if only := !it.Next(); only {
			switch key {
			case "error":
				result.IsError = true
				text = plain(value)
			case "output", "result":
				text = plain(value)
			}
		}
	}
	result.Parts = append(result.Parts, api.Part{Kind: api.Text, Text: text})
}

// plain is the text of a string, or the JSON of anything else.
func plain(raw []byte) string {
	if s, ok := jsonscan.String(raw); ok {
		return s
	}
	return string(raw)
}
