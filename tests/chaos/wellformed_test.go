package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// ending is how an answer ended.
type ending string

const (
	endedWell   ending = "whole"      // all of it is there
	endedError  ending = "error"      // a status and an error in the client's API
	endedBroken ending = "broken"     // a stream that ended with an error event
	endedNever  ending = "unfinished" // a stream without its terminal event
)

// reading is what a client makes of an answer.
type reading struct {
	ending  ending
	text    string
	garbled int  // events of broken JSON
	marked  bool // by chat's [DONE]
}

// read reads an answer strictly by the rules of its API. Its error says what is
// not well-formed.
func read(api string, stream bool, status int, header http.Header, body []byte) (reading, error) {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return reading{}, fmt.Errorf("content type: %w", err)
	}
	switch {
	case status >= 400 && status <= 599:
		if kind != "application/json" {
			return reading{}, fmt.Errorf("an error of type %s", kind)
		}
		return reading{ending: endedError}, checkError(api, status, body)
	case status != http.StatusOK:
		return reading{}, fmt.Errorf("status %d", status)
	case stream && kind == "text/event-stream":
		return readEvents(api, body)
	case !stream && kind == "application/json":
		text, err := readWhole(api, body)
		return reading{ending: endedWell, text: text}, err
	}
	return reading{}, fmt.Errorf("an answer of type %s", kind)
}

// checkError checks an error in the shape of an API.
func checkError(api string, status int, body []byte) error {
	var e struct {
		Type  string `json:"type"`
		Error struct {
			Message string          `json:"message"`
			Type    string          `json:"type"`
			Status  string          `json:"status"`
			Code    json.RawMessage `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("the error: %w", err)
	}
	switch {
	case e.Error.Message == "":
		return errors.New("the error has no message")
	case api == "messages" && (e.Type != "error" || e.Error.Type == ""):
		return errors.New("the error is not as Anthropic's are")
	case api == "gemini" && (e.Error.Status == "" || status > 0 && string(e.Error.Code) != fmt.Sprint(status)):
		return errors.New("the error is not as Gemini's are")
	case (api == "chat" || api == "responses") && (e.Error.Type == "" || len(e.Error.Code) == 0):
		return errors.New("the error is not as OpenAI's are")
	}
	return nil
}

// document has what is looked at in the whole answers of all APIs.
type document struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Output []struct {
		Type    string  `json:"type"`
		Content []piece `json:"content"`
	} `json:"output"`
	Content    []piece     `json:"content"`
	StopReason string      `json:"stop_reason"`
	Candidates []candidate `json:"candidates"`
}

type piece struct {
	Text string `json:"text"`
}

type candidate struct {
	Content struct {
		Parts []piece `json:"parts"`
	} `json:"content"`
	FinishReason string `json:"finishReason"`
}

func join(pieces []piece) string {
	var text strings.Builder
	for _, p := range pieces {
		text.WriteString(p.Text)
	}
	return text.String()
}

// readWhole reads an answer in one piece.
func readWhole(api string, body []byte) (string, error) {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return "", fmt.Errorf("the answer: %w", err)
	}
	switch {
	case api == "chat" && d.Object == "chat.completion" && d.ID != "" && len(d.Choices) == 1 && d.Choices[0].FinishReason == "stop":
		return d.Choices[0].Message.Content, nil
	case api == "responses" && d.Object == "response" && d.ID != "" && d.Status == "completed" && len(d.Output) == 1 && d.Output[0].Type == "message":
		return join(d.Output[0].Content), nil
	case api == "messages" && d.Type == "message" && d.ID != "" && d.StopReason == "end_turn":
		return join(d.Content), nil
	case api == "gemini" && len(d.Candidates) == 1 && d.Candidates[0].FinishReason == "STOP":
		return join(d.Candidates[0].Content.Parts), nil
	}
	return "", errors.New("the answer lacks something")
}

// event is a server-sent event.
type event struct{ name, data string }

// split takes a stream apart. The rest is what no blank line ends.
func split(body []byte) (events []event, rest string, err error) {
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	for {
		block, after, found := strings.Cut(text, "\n\n")
		if !found {
			return events, text, nil
		}
		text = after
		var ev event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "": // a comment
			case "event":
				ev.name = value
			case "data":
				ev.data += value
			default:
				return nil, "", fmt.Errorf("a line that is no field: %q", line)
			}
		}
		if ev.data != "" {
			events = append(events, ev)
		}
	}
}

// grammar checks the order of an API's events, one by one.
type grammar interface {
	// next takes an event. It tells how the stream ends with it, if it does.
	next(ev event, data []byte, out *reading) (ending, error)
}

// readEvents reads a stream. Nothing may follow its one terminal event.
func readEvents(api string, body []byte) (reading, error) {
	out := reading{ending: endedNever}
	events, rest, err := split(body)
	if err != nil {
		return out, err
	}
	rules := map[string]grammar{"chat": new(chatRules), "responses": new(responsesRules), "messages": new(messagesRules), "gemini": new(geminiRules)}[api]
	for i, ev := range events {
		if ev.data == "[DONE]" {
			if out.marked || api != "chat" || out.ending == endedBroken {
				return out, errors.New("a [DONE] where none belongs")
			}
			out.marked = true
			continue
		}
		if !json.Valid([]byte(ev.data)) {
			out.garbled++
			continue
		}
		// OpenAI says response.failed after an error event, too.
		again := api == "responses" && out.ending == endedBroken && ev.name == "response.failed" && events[i-1].name == "error"
		if (out.ending != endedNever || out.marked) && !again {
			return out, fmt.Errorf("event %d comes after the end: %s", i, ev.data)
		}
		end, err := rules.next(ev, []byte(ev.data), &out)
		if err != nil {
			return out, fmt.Errorf("event %d: %w: %s", i, err, ev.data)
		}
		if end != "" {
			out.ending = end
		}
	}
	// Google's SDK wants an error once more as bare JSON.
	repeated := api == "gemini" && out.ending == endedBroken && rest == events[len(events)-1].data
	if strings.TrimSpace(rest) != "" && !repeated {
		return out, fmt.Errorf("half an event at the end: %q", rest)
	}
	return out, nil
}

// failed tells whether an event is an error, and checks that.
func failed(api string, data []byte) (bool, error) {
	if !bytes.Contains(data, []byte(`"error":{`)) {
		return false, nil
	}
	return true, checkError(api, 0, data)
}

type chatRules struct{}

func (chatRules) next(_ event, data []byte, out *reading) (ending, error) {
	if bad, err := failed("chat", data); bad || err != nil {
		return endedBroken, err
	}
	var chunk struct {
		Object  string `json:"object"`
		Choices []struct {
			Delta        struct{ Content string } `json:"delta"`
			FinishReason string                   `json:"finish_reason"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(data, &chunk); err != nil {
		return "", err
	}
	if chunk.Object != "chat.completion.chunk" || len(chunk.Choices) != 1 {
		return "", errors.New("not a chunk")
	}
	out.text += chunk.Choices[0].Delta.Content
	if chunk.Choices[0].FinishReason != "" {
		return endedWell, nil
	}
	return "", nil
}

type responsesRules struct{ sequence int64 }

func (c *responsesRules) next(ev event, data []byte, out *reading) (ending, error) {
	var e struct {
		Type     string   `json:"type"`
		Sequence *int64   `json:"sequence_number"`
		Delta    string   `json:"delta"`
		Response document `json:"response"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return "", err
	}
	if ev.name != "" && ev.name != e.Type {
		return "", fmt.Errorf("it is called %s and says %s", ev.name, e.Type)
	}
	if e.Sequence != nil && *e.Sequence != c.sequence {
		return "", fmt.Errorf("the sequence number %d is not %d", *e.Sequence, c.sequence)
	}
	if e.Type != "error" && (c.sequence == 0) != (e.Type == "response.created") {
		return "", errors.New("response.created is the first, and no other")
	}
	c.sequence++
	switch e.Type {
	case "response.output_text.delta":
		out.text += e.Delta
	case "response.completed":
		if e.Response.Status != "completed" || len(e.Response.Output) != 1 ||
			out.garbled == 0 && join(e.Response.Output[0].Content) != out.text {
			return "", errors.New("the response is not what its events were")
		}
		return endedWell, nil
	case "response.failed", "error":
		return endedBroken, nil
	}
	return "", nil
}

type messagesRules struct {
	started, open, stopped bool
	blocks                 int
}

func (c *messagesRules) next(ev event, data []byte, out *reading) (ending, error) {
	var e struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
		Delta struct {
			Text       string `json:"text"`
			StopReason string `json:"stop_reason"`
		} `json:"delta"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return "", err
	}
	if ev.name != e.Type {
		return "", fmt.Errorf("it is called %s and says %s", ev.name, e.Type)
	}
	misplaced := errors.New("it does not belong here")
	ok := c.started
	switch e.Type {
	case "message_start":
		ok, c.started = !c.started, true
	case "content_block_start":
		ok, c.open = ok && !c.open && e.Index == c.blocks, true
	case "content_block_delta":
		ok = ok && c.open && e.Index == c.blocks
		out.text += e.Delta.Text
	case "content_block_stop":
		ok, c.open = ok && c.open && e.Index == c.blocks, false
		c.blocks++
	case "message_delta":
		ok, c.stopped = ok && !c.open && e.Delta.StopReason != "", true
	case "message_stop":
		if !ok || !c.stopped {
			return "", misplaced
		}
		return endedWell, nil
	case "error":
		return endedBroken, checkError("messages", 0, data)
	case "ping":
		ok = true
	default:
		return "", errors.New("an unknown event")
	}
	if !ok {
		return "", misplaced
	}
	return "", nil
}

type geminiRules struct{}

func (geminiRules) next(_ event, data []byte, out *reading) (ending, error) {
	if bad, err := failed("gemini", data); bad || err != nil {
		return endedBroken, err
	}
	var chunk document
	if err := json.Unmarshal(data, &chunk); err != nil {
		return "", err
	}
	if len(chunk.Candidates) != 1 {
		return "", errors.New("not one candidate")
	}
	out.text += join(chunk.Candidates[0].Content.Parts)
	if reason := chunk.Candidates[0].FinishReason; reason == "STOP" {
		return endedWell, nil
	} else if reason != "" {
		return "", fmt.Errorf("it finished for %s", reason)
	}
	return "", nil
}
